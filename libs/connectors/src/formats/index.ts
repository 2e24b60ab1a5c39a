import type { DuckDb } from '../duckdb';
import { AvroReader } from './avro/avro-reader';
import { CsvReader } from './csv/csv-reader';
import type { FormatName } from './detect';
import type { FormatReader } from './format-reader';
import { JsonReader } from './json/json-reader';
import { ParquetReader } from './parquet/parquet-reader';
import type { TextLimits } from './text-pass';

/** One reader for each format. */
export function formatReaders(duckDb: DuckDb, limits: TextLimits): Record<FormatName, FormatReader> {
  return {
    csv: new CsvReader(duckDb, limits),
    json: new JsonReader(limits),
    parquet: new ParquetReader(duckDb, limits.columns),
    avro: new AvroReader(limits),
  };
}
