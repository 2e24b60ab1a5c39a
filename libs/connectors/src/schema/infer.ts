import { BadFile } from '../errors';
import type { Files, ReadableFile } from '../files';
import type { CsvDialect, FileInput, FormatReader, Inference, InferredColumn } from '../formats/format-reader';
import type { SourceEntry } from '../sources/source';
import { widened } from './widening';

/**
 * Looks at at most `budget` expanded bytes of each file, of perhaps several formats, and says which columns they have together, in the order
 * first seen. `given` is what is known of their dialect. What is wrong with a file is told by its load.
 */
export async function inferAll(
  files: Files,
  entries: readonly SourceEntry[],
  given: Partial<CsvDialect>,
  budget: number,
): Promise<Inference> {
  const opened: ReadableFile[] = [];
  try {
    for (const entry of entries) opened.push(...(await openable(files, entry)));
    return await inferParts(opened, given, budget);
  } finally {
    for (const { file } of opened) await file.close();
  }
}

async function openable(files: Files, entry: SourceEntry): Promise<ReadableFile[]> {
  try {
    return [await files.open(entry)];
  } catch (error) {
    if (error instanceof BadFile) return [];
    throw error;
  }
}

async function inferParts(
  opened: readonly ReadableFile[],
  given: Partial<CsvDialect>,
  budget: number,
): Promise<Inference> {
  const groups = new Map<FormatReader, FileInput[]>();
  for (const { input, reader } of opened.flatMap(({ parts }) => parts))
    groups.set(reader, [...(groups.get(reader) ?? []), input]);
  const found: Inference[] = [];
  for (const [reader, inputs] of groups) found.push(await reader.infer(inputs, given, budget));
  return {
    columns: together(found.flatMap(({ columns }) => columns)),
    dialect: found.find(({ dialect }) => dialect !== null)?.dialect ?? null,
  };
}

/** One column for each source name, of a type that holds the values of all. */
export function together(columns: readonly InferredColumn[]): InferredColumn[] {
  const found = new Map<string, InferredColumn>();
  for (const column of columns) {
    const before = found.get(column.source);
    found.set(column.source, before === undefined ? column : merged(before, column));
  }
  return [...found.values()];
}

function merged(a: InferredColumn, b: InferredColumn): InferredColumn {
  const type = widened(a.type, b.type);
  const why =
    type === a.type ? a.why : type === b.type ? b.why : `Holds ${a.type} in one file and ${b.type} in another.`;
  const fields = [...new Set([...(a.fields ?? []), ...(b.fields ?? [])])].sort();
  return { source: a.source, type, why, ...(type === 'jsonb' && { fields }) };
}
