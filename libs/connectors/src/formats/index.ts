import type { DuckDb } from '../duckdb';
import { CsvReader } from './csv/csv-reader';
import type { FormatName } from './detect';
import type { FormatReader } from './format-reader';
import { JsonReader } from './json/json-reader';
import { ParquetReader } from './parquet/parquet-reader';

/** One reader for each format. */
export function formatReaders(duckDb: DuckDb): Record<FormatName, FormatReader> {
  return { csv: new CsvReader(duckDb), json: new JsonReader(), parquet: new ParquetReader(duckDb) };
}
