import type { ColumnType, FormatOptions } from '@sluice/connectors';

export type { FormatOptions } from '@sluice/connectors';

/** The parts of an ingestion, in the wire's words (snake_case), so that what is stored, sent and documented has one shape. */

export const INGESTION_STATUSES = ['provisioning', 'draft', 'active', 'paused', 'error'] as const;
/** `provisioning` is never shown: until an ingestion is wholly created it does not exist for readers. */
export type IngestionStatus = (typeof INGESTION_STATUSES)[number];

export const SOURCE_TYPES = ['file'] as const;
export const VERIFY = ['quick', 'full'] as const;
export interface SourceSpec {
  type: (typeof SOURCE_TYPES)[number];
  /** A folder below `SLUICE_FILE_ROOTS`. */
  path: string;
  /** Glob relative to `path`; default `*`. */
  file_pattern: string;
  options: {
    /** `full`: every known file is read again by each run; equal size, time and inode prove nothing. Default `quick`. */
    verify?: (typeof VERIFY)[number];
  };
}

export const FORMAT_TYPES = ['auto', 'csv', 'json', 'ndjson', 'parquet', 'avro'] as const;
export interface FormatSpec {
  type: (typeof FORMAT_TYPES)[number];
  /** Text formats only (`encoding` for JSON too); what is left out is found out. */
  options: FormatOptions;
}

/** What is known of the columns before any file is read. */
export interface SchemaSpec {
  /** Types by source name; such a type is locked: no file changes it. */
  columns: Record<string, ColumnType>;
  /** Every column not named in `columns` is text (nested values stay JSON). */
  all_text: boolean;
  /** `given`: the columns are exactly those of `columns`; whatever else a file has is a schema change. Default `infer`. */
  mode: 'infer' | 'given';
  /** All types are locked, those found out too. */
  locked: boolean;
  /** With `sync_all_columns`: a column that a file no longer has is dropped from the table, with its values. */
  drop_removed: boolean;
}

export const WRITE_MODES = ['append', 'merge', 'overwrite'] as const;
export interface DestinationSpec {
  schema: string;
  table: string;
  write_mode: (typeof WRITE_MODES)[number];
  /** Source or column names that tell rows apart; with `merge` at least one. */
  merge_keys: string[];
}

/** What becomes of a loaded path whose content is new: left alone, loaded in place of its old rows, or the run fails. */
export const CHANGED_FILES = ['skip', 'reload', 'fail'] as const;
export type ChangedFiles = (typeof CHANGED_FILES)[number];

export const FREQUENCIES = ['hourly', 'daily', 'weekly', 'monthly', 'custom', 'manual'] as const;
/** What starts while another run is active: does not, waits for its end (one at most), or ends it first. */
export const OVERLAP_POLICIES = ['skip', 'queue_one', 'replace'] as const;
export type OverlapPolicy = (typeof OVERLAP_POLICIES)[number];
/** Of ticks that could not run in time: the latest runs, or none. */
export const MISSED_RUNS = ['latest', 'none'] as const;

export interface ScheduleSpec {
  frequency: (typeof FREQUENCIES)[number];
  /** `HH:MM`, default `00:00`; for hourly only the minutes count. */
  time: string;
  /** 0 = Sunday ... 6 = Saturday; weekly, default 0. */
  day_of_week: number;
  /** 1 ... 31; monthly, default 1. A month without that day is passed over. */
  day_of_month: number;
  /** IANA name, default `UTC`. */
  timezone: string;
  cron_expression: string | null;
  overlap_policy: OverlapPolicy;
  missed_runs: (typeof MISSED_RUNS)[number];
}

export const ON_SCHEMA_CHANGE = ['ignore', 'append_new_columns', 'sync_all_columns', 'rescue', 'fail'] as const;
export type OnSchemaChange = (typeof ON_SCHEMA_CHANGE)[number];

export const ON_ERROR = ['fail_file', 'skip_rows', 'abort_run'] as const;
export interface QualitySpec {
  /** What a bad row does: fails its file, is left out and kept in `sluice.rejected_row`, or fails the run with nothing loaded. */
  on_error: (typeof ON_ERROR)[number];
  /** With `skip_rows`, of one file: a number, or a share of its rows ("5%"); more of them fail the file. `null`: no limit. */
  max_rejected_rows: number | string | null;
  /** A run that found new files and has fewer rows fails before it commits. */
  min_rows: number | null;
  /** A run with more than so many percent fewer rows than the mean of the last five that loaded any fails before it commits. */
  max_drop_percent: number | null;
  /** Its data is stale when no run was a success for so long. `null`: not watched. */
  max_age_seconds: number | null;
}

/** What one run is to do; kept with its row, since Prefect gets ids only. */
export type RunParameters =
  /** All that is new; of files modified within [from, until) and below the prefix, where given (ISO 8601 with Z). */
  | { kind: 'load'; from: string | null; until: string | null; path_prefix: string | null }
  /** The table is built anew, from all files or from those never loaded. */
  | { kind: 'refresh'; scope: 'full' | 'new_only' }
  /** Failed and quarantined files are due now: these, or all (`null`). Then all that is new. */
  | { kind: 'retry'; paths: string[] | null };

export const RUN_STATUSES = [
  'queued',
  'running',
  'success',
  'partial',
  'failed',
  'cancelled',
  'crashed',
  'skipped',
] as const;
export type RunStatus = (typeof RUN_STATUSES)[number];

/** Which status may follow which; tests walk all pairs. */
export const NEXT_RUN_STATUS = {
  queued: ['running', 'failed', 'cancelled', 'crashed', 'skipped'],
  running: ['success', 'partial', 'failed', 'cancelled', 'crashed'],
  success: [],
  partial: [],
  failed: [],
  cancelled: [],
  crashed: [],
  skipped: [],
} as const satisfies Record<RunStatus, readonly RunStatus[]>;

export type RunTrigger = 'scheduled' | 'manual' | 'retry' | 'refresh';

export interface RunMetrics {
  files_discovered: number;
  files_processed: number;
  files_failed: number;
  /** Files that the source has and that were held back because of earlier failures; absent until the source was listed. */
  files_held?: number;
  rows_ingested: number;
  rows_rejected: number;
  bytes_read: number;
  duration_ms: number;
}

export interface RunError {
  file: string | null;
  line: number | null;
  column: string | null;
  error_type: string;
  message: string;
  retryable: boolean;
}

/**
 * `loaded`: committed. `failed`: nothing of it is in, it is tried again at `next_attempt_at`. `quarantined`: failed as often as is allowed; tried again
 * when it changes, or by hand. `changed`: a loaded path whose content is new now and which was left alone.
 */
export type FileStatus = 'loaded' | 'failed' | 'quarantined' | 'changed';

export interface FileRecord {
  path: string;
  version: string;
  status: FileStatus;
  rows: number;
  rejected: number;
  bytes: number;
  first_error: RunError | null;
  load_id: string | null;
  /** Failed attempts so far; 0 for all that is loaded. */
  attempts: number;
  /** ISO 8601; only of failed files. */
  next_attempt_at: string | null;
}

export interface ColumnRecord {
  /** The name in the file. */
  source: string;
  /** The name in the table. */
  name: string;
  /** PostgreSQL type. */
  type: string;
  /** Nested fields of a column of JSON, as dotted paths. */
  fields?: string[];
  /** Its type was given or locked by the person: no file changes it. */
  locked?: boolean;
  /** What of `schema` decided its type; without it the files did. */
  asked?: 'columns' | 'all_text';
}

/** `column` is the name in the table; of a nested field `column.path`. */
export interface SchemaChange {
  /** `retyped`: to a type that does not hold all values of the one before, when the table was built anew. */
  kind: 'added' | 'removed' | 'widened' | 'retyped' | 'nullable' | 'ignored';
  column: string;
  /** The type now; of a removed one the type it had. */
  type: string;
  /** With `widened` and `retyped`: the type before. */
  before?: string;
}
