import { BadFile } from '../errors';
import type { FileInput } from './format-reader';

export type FormatName = 'csv' | 'json' | 'parquet';

const BY_ENDING: Record<string, FormatName> = {
  csv: 'csv',
  tsv: 'csv',
  psv: 'csv',
  txt: 'csv',
  json: 'json',
  ndjson: 'json',
  jsonl: 'json',
  geojson: 'json',
  parquet: 'parquet',
};

/** How a path's ending says it is compressed. */
export function compressionOf(path: string): FileInput['compression'] {
  return /\.gz$/i.test(path) ? 'gzip' : 'none';
}

/** The format a path's ending stands for (`.gz` does not count). An ending nobody knows is a fault of the file. */
export function detectFormat(path: string): FormatName {
  const ending = /\.([^./]+)$/.exec(path.replace(/\.gz$/i, ''))?.[1]?.toLowerCase() ?? '';
  const format = BY_ENDING[ending];
  if (format !== undefined) return format;
  throw new BadFile(
    'malformed',
    `The format of ${path} cannot be told from its name. Set format.type to csv, json, ndjson or parquet.`,
  );
}
