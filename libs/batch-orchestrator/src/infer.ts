import {
  BadFile,
  type ColumnType,
  type CsvDialect,
  type FormatReader,
  type Inference,
  type InferredColumn,
  type SourceEntry,
  type SourceFile,
} from '@sluice/connectors';
import type { Files } from './files';

/**
 * Looks at at most `budget` bytes of each file, of perhaps several formats, and says which columns they have together, in the order first
 * seen. `given` is what is known of their dialect.
 */
export async function inferAll(
  files: Files,
  entries: readonly SourceEntry[],
  given: Partial<CsvDialect>,
  budget: number,
): Promise<Inference> {
  const parts: Inference[] = [];
  for (const [reader, group] of await byReader(files, entries)) parts.push(await reader.infer(group, given, budget));
  const columns = new Map<string, InferredColumn>();
  for (const column of parts.flatMap((part) => part.columns)) {
    const before = columns.get(column.source);
    columns.set(column.source, before === undefined ? column : { ...column, type: wider(before.type, column.type) });
  }
  return { columns: [...columns.values()], dialect: parts.find(({ dialect }) => dialect !== null)?.dialect ?? null };
}

async function byReader(files: Files, entries: readonly SourceEntry[]): Promise<Map<FormatReader, SourceFile[]>> {
  const groups = new Map<FormatReader, SourceFile[]>();
  for (const entry of entries) {
    // What is wrong with a file is told by its load.
    const opened = await files.open(entry).catch((error: unknown) => {
      if (error instanceof BadFile) return null;
      throw error;
    });
    if (opened !== null) groups.set(opened.reader, [...(groups.get(opened.reader) ?? []), opened.file]);
  }
  return groups;
}

const NUMBERS: readonly ColumnType[] = ['smallint', 'integer', 'bigint', 'real', 'double precision', 'numeric'];

/** A type that holds the values of both. */
function wider(a: ColumnType, b: ColumnType): ColumnType {
  if (a === b) return a;
  if (NUMBERS.includes(a) && NUMBERS.includes(b)) return 'numeric';
  const moments: readonly ColumnType[] = ['date', 'timestamp without time zone'];
  return moments.includes(a) && moments.includes(b) ? 'timestamp without time zone' : 'text';
}
