/**
 * Where data comes from, how it is read and where it goes: the ports `Source` and `Destination` with their adapters, and the formats.
 * Knows nothing of ingestions' schedules, of Prefect or of the control database.
 */
export { LOAD_ID, MAX_COLUMNS, RESCUED, ROW_NUMBER, type ColumnType, type LoadColumn } from './column';
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
  ENCODINGS,
  FormatReader,
  rescues,
  type CopyOrder,
  type CsvDialect,
  type Encoding,
  type FileInput,
  type Inference,
  type InferredColumn,
  type OpenedFile,
  type ReadPlan,
  type Refusal,
  type Rejection,
  type Sink,
} from './formats/format-reader';
export { givenDialect, type FormatOptions } from './formats/given-dialect';
export { Files, type FormatChoice, type ReadableFile, type ReadablePart } from './files';
export { columnName } from './schema/column-names';
export { inferAll, together } from './schema/infer';
export { widened, widens } from './schema/widening';
export { configuredSource, type SourceSettings } from './sources/configured-source';
export { asUnwritable, makeTempFolder, removeStaleFolders } from './temp-folders';
export { FileSource, type FileSourceOptions } from './sources/file-source';
export { Source, type SourceEntry, type SourceFile } from './sources/source';
export {
  Destination,
  LoadSession,
  RowRefused,
  type Batch,
  type FailedFile,
  type FailureState,
  type FileWrite,
  type HoldBack,
  type LeftOutRow,
  type LedgerEntry,
  type ListingCounts,
  type LoadedFile,
  type MergedRow,
  type Retyping,
  type TableChange,
  type TableColumn,
  type TableInfo,
  type TableName,
  type TouchedEntry,
  type Verify,
  type WriteOrder,
} from './destinations/destination';
export { DestinationAdmin, type RejectedRow, type RejectedRowsQuery } from './destinations/postgres/destination-admin';
export { PostgresDestination, type PostgresDestinationOptions } from './destinations/postgres/postgres-destination';
export { previewOf, type PreviewOptions } from './preview/previewing';
export type {
  Preview,
  PreviewColumn,
  PreviewLine,
  PreviewRejection,
  PreviewSettings,
  PreviewTask,
  SchemaHints,
} from './preview/preview';
