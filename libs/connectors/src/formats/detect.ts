import { BadFile } from '../errors';
import { withoutCompression } from '../expansion/compression';

export type FormatName = 'csv' | 'json' | 'parquet' | 'avro';

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
  avro: 'avro',
};

/**
 * The format a path's ending stands for; those of compressions do not count. An ending nobody knows is a fault of the file. An archive has
 * no format, its members have.
 */
export function detectFormat(path: string): FormatName {
  const ending = /\.([^./]+)$/.exec(withoutCompression(path))?.[1]?.toLowerCase() ?? '';
  const format = BY_ENDING[ending];
  if (format !== undefined) return format;
  throw new BadFile(
    'malformed',
    `The format of ${path} cannot be told from its name. Set format.type to csv, json, ndjson, parquet or avro.`,
  );
}
