/** The parts of an ingestion, in the wire's words (snake_case), so that what is stored, sent and documented has one shape. */

export const INGESTION_STATUSES = ['provisioning', 'draft', 'active', 'paused', 'error'] as const;
/** `provisioning` is never shown: until an ingestion is wholly created it does not exist for readers. */
export type IngestionStatus = (typeof INGESTION_STATUSES)[number];

export const SOURCE_TYPES = ['file'] as const;
export interface SourceSpec {
  type: (typeof SOURCE_TYPES)[number];
  /** A folder below `SLUICE_FILE_ROOTS`. */
  path: string;
  /** Glob relative to `path`; default `*`. */
  file_pattern: string;
  options: Record<string, unknown>;
}

export const FORMAT_TYPES = ['auto', 'csv', 'json', 'ndjson', 'parquet'] as const;
export interface FormatSpec {
  type: (typeof FORMAT_TYPES)[number];
  options: FormatOptions;
}
/** Only for csv; what is left out is sniffed. */
export interface FormatOptions {
  delimiter?: string;
  quote?: string;
  escape?: string;
  header?: boolean;
}

export const WRITE_MODES = ['append'] as const;
export interface DestinationSpec {
  schema: string;
  table: string;
  write_mode: (typeof WRITE_MODES)[number];
  merge_keys: string[];
}

export const FREQUENCIES = ['hourly', 'daily', 'weekly', 'monthly', 'custom', 'manual'] as const;
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
  overlap_policy: 'skip';
  missed_runs: 'latest' | 'none';
}

export const ON_SCHEMA_CHANGE = ['ignore', 'append_new_columns', 'fail'] as const;
export type OnSchemaChange = (typeof ON_SCHEMA_CHANGE)[number];

export interface QualitySpec {
  on_error: 'fail_file';
  max_rejected_rows: number;
  min_rows: number | null;
  max_drop_percent: number | null;
  max_age_seconds: number | null;
}

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

/** `loaded`: committed. `failed`: nothing of it is in. `changed`: a loaded path whose content is new now and which was left alone. */
export type FileStatus = 'loaded' | 'failed' | 'changed';

export interface FileRecord {
  path: string;
  version: string;
  status: FileStatus;
  rows: number;
  rejected: number;
  bytes: number;
  first_error: RunError | null;
  load_id: string | null;
}

export interface ColumnRecord {
  /** The name in the file. */
  source: string;
  /** The name in the table. */
  name: string;
  /** PostgreSQL type. */
  type: string;
}

export interface SchemaChange {
  kind: 'added' | 'ignored';
  column: string;
  type: string;
}
