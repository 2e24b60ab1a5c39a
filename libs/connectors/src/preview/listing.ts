import type { Files, FormatChoice } from '../files';
import { detectFormat } from '../formats/detect';
import type { SourceEntry } from '../sources/source';

/** Entries that are counted, at most. */
const MAX_ENTRIES = 10_000;
const MAX_NAMED = 5;

export interface Listing {
  files: number;
  bytes: number;
  /** The first ones by the bytes of their paths, as runs take them up. */
  sample: SourceEntry[];
  warnings: string[];
}

/** Raises `SourceError`. */
export async function listed(
  files: Files,
  format: FormatChoice,
  sampleFiles: number,
  signal: AbortSignal,
): Promise<Listing> {
  const entries: SourceEntry[] = [];
  let more = false;
  for await (const entry of files.list(signal)) {
    more = entries.length === MAX_ENTRIES;
    if (more) break;
    entries.push(entry);
  }
  entries.sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
  const bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0);
  const warnings = [...emptiness(entries), ...(more ? [MORE] : []), ...formatWarnings(entries, format)];
  return { files: entries.length, bytes, sample: entries.slice(0, sampleFiles), warnings };
}

const MORE = `There are more than ${MAX_ENTRIES} files; only so many were counted.`;

function emptiness(entries: readonly SourceEntry[]): string[] {
  if (entries.length > 0) return [];
  return [
    'No file matches. Check source.path and source.file_pattern; folders below are walked only where the pattern holds a "/".',
  ];
}

/** Only `auto` goes by names. */
function formatWarnings(entries: readonly SourceEntry[], { type }: FormatChoice): string[] {
  if (type !== 'auto') return [];
  const [formats, unknown] = [new Set<string>(), [] as string[]];
  for (const { path } of entries) {
    const format = /\.zip$/i.test(path) ? null : formatOf(path);
    if (format === 'unknown') unknown.push(path);
    else if (format !== null) formats.add(format);
  }
  const mixed = `The files are of several formats: ${[...formats].sort().join(', ')}.`;
  return [...(formats.size > 1 ? [mixed] : []), ...unknownFormats(unknown)];
}

function formatOf(path: string): string {
  try {
    return detectFormat(path);
  } catch {
    return 'unknown';
  }
}

function unknownFormats(paths: readonly string[]): string[] {
  if (paths.length === 0) return [];
  return [`The format of ${some(paths)} cannot be told from the name. Set format.type, or narrow source.file_pattern.`];
}

/** The first few of many, for a sentence. */
export function some(words: readonly string[]): string {
  const named = words.slice(0, MAX_NAMED).join(', ');
  return words.length <= MAX_NAMED ? named : `${named} and ${words.length - MAX_NAMED} more`;
}
