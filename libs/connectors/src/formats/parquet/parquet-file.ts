import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import type { DuckDBConnection } from '@duckdb/node-api';
import { pathLiteral } from '../../duckdb';
import { BadFile } from '../../errors';
import type { FileInput } from '../format-reader';
import { nestedFields, parseType } from './duckdb-types';
import type { ParquetColumn } from './parquet-column';

/** DuckDB reads longer ones as floating point. */
const MAX_DECIMAL_DIGITS = 38;

/** The table that exactly one file is: folders named `a=b` are no columns of it. */
export async function tableOf(file: FileInput): Promise<string> {
  return `read_parquet(${pathLiteral(await file.localPath())}, hive_partitioning=false)`;
}

/** The columns that a file declares. Raises `BadFile`. */
export async function columnsOf(connection: DuckDBConnection, file: FileInput): Promise<ParquetColumn[]> {
  const ask = async (query: string) => (await connection.runAndReadAll(query)).getRows();
  try {
    const described = await ask(`DESCRIBE SELECT * FROM ${await tableOf(file)}`);
    const fields = 'name, type, num_children, converted_type, logical_type, precision';
    const schema = await ask(`SELECT ${fields} FROM parquet_schema(${pathLiteral(await file.localPath())})`);
    return together(described, topLevel(schema.map(elementOf)));
  } catch (error) {
    throw await unreadable(file, error);
  }
}

/** What the file's own schema says of a column or a part of one. */
interface Element {
  name: string;
  physical: string | null;
  children: number;
  converted: string | null;
  logical: string | null;
  precision: number;
}

function elementOf([name, physical, children, converted, logical, precision]: readonly unknown[]): Element {
  const word = (value: unknown) => (typeof value === 'string' ? value : null);
  return {
    name: String(name),
    physical: word(physical),
    children: Number(children ?? 0),
    converted: word(converted),
    logical: word(logical),
    precision: Number(precision ?? 0),
  };
}

/** The schema lists parents before their children; the first is the root. Each column comes with all its parts. */
function topLevel(schema: readonly Element[]): Element[][] {
  const columns: Element[][] = [];
  for (let at = 1; at < schema.length;) {
    const from = at;
    for (let open = 1; open > 0 && at < schema.length; at++) open += (schema[at] as Element).children - 1;
    columns.push(schema.slice(from, at));
  }
  return columns;
}

function together(described: readonly (readonly unknown[])[], columns: readonly Element[][]): ParquetColumn[] {
  const names = columns.map(([column]) => column?.name ?? '');
  return described.map(([given, type], index): ParquetColumn => {
    const [name, text, parts] = [String(given), String(type), columns[index] ?? []];
    const source = names[index] ?? name;
    const parsed = parseType(text);
    return {
      // Two columns of the very same name can only be told apart as DuckDB does it.
      source: names.indexOf(source) === index ? source : name,
      name,
      type: text,
      parsed,
      fields: nestedFields(parsed).sort(),
      declared: parts[0] === undefined ? text : declaration(parts[0]),
      unreadable: tooPrecise(parts),
    };
  });
}

function declaration({ physical, converted, logical }: Element): string {
  const [, unit] = /(?:MILLIS|MICROS|NANOS)=(\w+)Seconds/.exec(logical ?? '') ?? [];
  const [, word = null, details = ''] = /^(\w+)Type\((.*)\)$/s.exec(logical ?? '') ?? [];
  const decimal = /scale=(\d+), precision=(\d+)/.exec(details);
  const note =
    decimal !== null
      ? `DECIMAL(${decimal[2]},${decimal[1]})`
      : (converted ?? (unit === undefined ? word?.toUpperCase() : `${word?.toUpperCase()}_${unit.toUpperCase()}S`));
  if (physical === null) return note ?? 'a group of fields';
  return note === undefined ? physical : `${physical} (${note})`;
}

function tooPrecise(parts: readonly Element[]): string | null {
  const digits = Math.max(0, ...parts.map(({ precision }) => precision));
  if (digits <= MAX_DECIMAL_DIGITS) return null;
  return `decimals of ${digits} digits, of which the reader keeps ${MAX_DECIMAL_DIGITS} at most. Write them with fewer digits or as text`;
}

/** What DuckDB says of a file, unless the file system has something to say first. */
export async function unreadable(file: FileInput, error: unknown): Promise<unknown> {
  if (error instanceof BadFile) return error;
  const barrier = await file
    .localPath()
    .then((path) => access(path, constants.R_OK))
    .then(
      () => null,
      (reason: unknown) => barred(file, reason),
    );
  return barrier ?? misread(file, error);
}

function barred(file: FileInput, reason: unknown): unknown {
  const code = (reason as NodeJS.ErrnoException).code;
  if (code === 'ENOENT')
    return new BadFile('not_found', `${file.path} went away while it was read.`, {}, { cause: reason, retry: 'later' });
  if (code === 'EACCES' || code === 'EPERM')
    return new BadFile('permission', `${file.path} may not be read by the user Sluice runs as.`, {}, { cause: reason });
  return reason;
}

function misread(file: FileInput, error: unknown): BadFile {
  const told = (error as Error).message.split('\n')[0] ?? '';
  const reason = told.replaceAll(/(['"])\/[^'"]*\//g, '$1').replace(/[.!]?$/, '.');
  const [type, remedy] = /out of memory/i.test(reason)
    ? (['limit', 'Raise SLUICE_READER_MEMORY_MB, or write smaller row groups.'] as const)
    : // Where only columns are encrypted, DuckDB does not understand the footer.
      /encrypt|TProtocolException/i.test(reason)
      ? (['malformed', 'If it is encrypted, write it without encryption: Sluice has no keys.'] as const)
      : (['malformed', 'Write the file again.'] as const);
  return new BadFile(type, `${file.path} cannot be read as Parquet: ${reason} ${remedy}`, {}, { cause: error });
}
