/**
 * Where data comes from, how it is read and where it goes: the ports `Source` and `Destination` with their adapters, and the formats.
 * Knows nothing of ingestions' schedules, of Prefect or of the control database.
 */
export { LOAD_ID, MAX_COLUMNS, type ColumnType, type LoadColumn } from './column';
export { DuckDb, type DuckDbLimits } from './duckdb';
export {
  BadFile,
  DestinationError,
  Fenced,
  LoadError,
  SourceError,
  UnknownColumns,
  type LoadErrorType,
  type Place,
} from './errors';
export { TEXT_ENCODERS } from './copy/text-values';
export { formatReaders } from './formats';
export { detectFormat, type FormatName } from './formats/detect';
export {
  FormatReader,
  type CsvDialect,
  type FileInput,
  type Inference,
  type InferredColumn,
  type OpenedFile,
  type ReadPlan,
  type Sink,
} from './formats/format-reader';
export { FileSource, type FileSourceOptions } from './sources/file-source';
export { Source, type SourceEntry, type SourceFile } from './sources/source';
export {
  Destination,
  LoadSession,
  RowRefused,
  type Batch,
  type LedgerEntry,
  type ListingCounts,
  type LoadedFile,
  type TableColumn,
  type TableName,
  type TouchedEntry,
} from './destinations/destination';
export { PostgresDestination, type PostgresDestinationOptions } from './destinations/postgres/postgres-destination';
