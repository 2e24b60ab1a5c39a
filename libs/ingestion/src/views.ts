import type { EventKind } from './events/event';
import type {
  ChangedFiles,
  ColumnRecord,
  DestinationSpec,
  FileStatus,
  FormatSpec,
  IngestionStatus,
  OnSchemaChange,
  QualitySpec,
  RunError,
  RunMetrics,
  RunParameters,
  RunStatus,
  RunTrigger,
  ScheduleSpec,
  SchemaChange,
  SchemaSpec,
  SourceSpec,
} from './types';

/** What readers may see, in the wire's words; times are `Date`s. */

export interface Page<Item> {
  items: Item[];
  /** Opaque; `null` at the end. */
  next_cursor: string | null;
}

/** `limit` 1-200, default 50; `cursor` from the page before (a wrong one is a `ValueError`). */
export interface PageRequest {
  limit?: number | undefined;
  cursor?: string | undefined;
}

export interface ListIngestions extends PageRequest {
  status?: string | undefined;
  /** The whole name, as it is written. */
  name?: string | undefined;
  /** Only those whose data is stale, or is not. */
  stale?: boolean | undefined;
}

export interface IngestionMetadata {
  last_run_id: string | null;
  /** When it started; when it was queued, if it has not started. */
  last_run_time: Date | null;
  last_run_status: RunStatus | null;
  /** What Prefect has planned; `null` when nothing is or Prefect cannot be asked. */
  next_run_time: Date | null;
  /** 0 before the first file. */
  schema_version: number;
  /** Runs in a row that have failed. */
  consecutive_failures: number;
  freshness: Freshness;
}

/** `unwatched`: it has no limit, is a draft, or was paused by a person. */
export interface Freshness {
  status: 'fresh' | 'stale' | 'unwatched';
  /** The end of the last run that was a success, or when it was made, scheduled or resumed, if that is later. */
  fresh_at: Date;
  stale_since: Date | null;
  max_age_seconds: number | null;
}

/** Ticks of the timetable that did not become a run of their own, and runs that were replaced; since the ingestion was made. */
export interface TickCounts {
  missed: number;
  superseded: number;
  overlap_skipped: number;
}

export interface IngestionView {
  id: string;
  name: string;
  status: Exclude<IngestionStatus, 'provisioning'>;
  /** Why the status is `error`. */
  error_reason: string | null;
  /** `credentials`: the keys that are set, sorted; never a value. */
  source: SourceSpec & { credentials: string[] };
  format: FormatSpec;
  schema: SchemaSpec;
  destination: DestinationSpec;
  schedule: ScheduleSpec | null;
  on_schema_change: OnSchemaChange;
  changed_files: ChangedFiles;
  quality: QualitySpec;
  prefect_deployment_id: string | null;
  metadata: IngestionMetadata;
  counters: TickCounts;
  created_at: Date;
  updated_at: Date;
}

export interface RunCancel {
  requested_at: Date;
  /** Why it has not ended yet; `null` once it has. */
  pending_because: string | null;
}

export interface RunView {
  id: string;
  ingestion_id: string;
  flow_run_id: string | null;
  trigger: RunTrigger;
  /** The tick of the timetable it is for. */
  planned_at: Date | null;
  parameters: RunParameters;
  /** The run this one does again. */
  retry_of: string | null;
  /** `null` unless somebody asked. */
  cancel: RunCancel | null;
  status: RunStatus;
  created_at: Date;
  started_at: Date | null;
  ended_at: Date | null;
  metrics: RunMetrics;
  errors: RunError[];
}

export interface FileView {
  path: string;
  version: string;
  status: FileStatus;
  rows: number;
  rejected: number;
  bytes: number;
  first_error: RunError | null;
  attempts: number;
  next_attempt_at: Date | null;
  run_id: string;
  first_seen_at: Date;
  processed_at: Date;
}

export interface SchemaVersionView {
  version: number;
  columns: ColumnRecord[];
  changes: SchemaChange[];
  /** The file that brought it. */
  file: string;
  created_at: Date;
}

export interface Triggered {
  run_id: string;
  flow_run_id: string;
}

/** What a refresh would do. */
export interface RefreshEstimate {
  files: number;
  bytes: number;
  /** Of files that are in as they were counted, of the others by their bytes; `null` while no file is in to go by. */
  rows: number | null;
}

/** A row that was left out. */
export interface RejectedRowView {
  run_id: string;
  path: string;
  /** Where `path` is a zip archive: the file within it. */
  member: string | null;
  /** Which record of the file, from 1. */
  record: number;
  line: number | null;
  column: string | null;
  error_type: string;
  reason: string;
  /** As it stands in the file; cut after 64 KiB. */
  raw: string;
}

export interface ListRejectedRows extends PageRequest {
  run_id?: string | undefined;
  /** The whole path, as the files of the ingestion show it. */
  path?: string | undefined;
}

export interface EventView {
  id: string;
  kind: EventKind;
  ingestion_id: string | null;
  message: string;
  facts: Record<string, unknown>;
  created_at: Date;
  /** `off`: no webhook is set. */
  delivery: 'pending' | 'delivered' | 'given_up' | 'off';
  attempts: number;
  delivered_at: Date | null;
  /** Of the last attempt, if that failed. */
  last_error: string | null;
}

export interface ListEvents extends PageRequest {
  ingestion_id?: string | undefined;
  kind?: string | undefined;
}

/** What a preview looks at: checked, with all defaults. Holds secrets. */
export interface PreviewOrder {
  source: SourceSpec;
  credentials: Record<string, string>;
  format: FormatSpec;
  schema: SchemaSpec;
}
