import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import type { DuckDBConnection } from '@duckdb/node-api';
import { pathLiteral } from '../../duckdb';
import { BadFile } from '../../errors';
import type { FileInput } from '../format-reader';
import type { ParquetColumn } from './parquet-column';
import { columnsFrom, SCHEMA_FIELDS } from './parquet-schema';

/** The table that exactly one file is: folders named `a=b` are no columns of it. */
export async function tableOf(file: FileInput): Promise<string> {
  return tableAt(await file.localPath());
}

export function tableAt(path: string): string {
  return `read_parquet(${pathLiteral(path)}, hive_partitioning=false)`;
}

/** The columns that a file declares. Raises `BadFile`. */
export async function columnsOf(connection: DuckDBConnection, file: FileInput): Promise<ParquetColumn[]> {
  const ask = async (query: string) => (await connection.runAndReadAll(query)).getRows();
  try {
    const described = await ask(`DESCRIBE SELECT * FROM ${await tableOf(file)}`);
    const path = pathLiteral(await file.localPath());
    const schema = await ask(`SELECT ${SCHEMA_FIELDS} FROM parquet_schema(${path})`);
    return columnsFrom(described, schema);
  } catch (error) {
    throw await unreadable(file, error);
  }
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
