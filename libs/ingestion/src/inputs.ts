import type { FormatOptions } from './types';

/**
 * What callers send, in the wire's words. Enumerations are plain text here: the rules say what is available and name the field.
 * A field left out (or undefined) takes its default on create and stays as it is on update.
 */
export interface ScheduleInput {
  frequency: string;
  time?: string | null | undefined;
  day_of_week?: number | null | undefined;
  day_of_month?: number | null | undefined;
  timezone?: string | undefined;
  cron_expression?: string | null | undefined;
  overlap_policy?: string | undefined;
  missed_runs?: string | undefined;
}

export interface SourceInput {
  type: string;
  path: string;
  file_pattern?: string | undefined;
  options?: { verify?: string | undefined } | undefined;
  credentials?: Record<string, string> | null | undefined;
}

export interface FormatInput {
  type?: string | undefined;
  options?: { [Key in keyof FormatOptions]?: FormatOptions[Key] | undefined } | undefined;
}

export interface DestinationInput {
  schema?: string | undefined;
  table: string;
  write_mode?: string | undefined;
  merge_keys?: string[] | undefined;
}

export interface QualityInput {
  on_error?: string | undefined;
  /** A number, or a share such as "5%". */
  max_rejected_rows?: number | string | null | undefined;
  min_rows?: number | null | undefined;
  max_drop_percent?: number | null | undefined;
  max_age_seconds?: number | null | undefined;
}

export interface SchemaInput {
  /** Types by source name. */
  columns?: Record<string, string> | undefined;
  all_text?: boolean | undefined;
  mode?: string | undefined;
  locked?: boolean | undefined;
  drop_removed?: boolean | undefined;
}

export interface CreateIngestion {
  name: string;
  source: SourceInput;
  format?: FormatInput | undefined;
  schema?: SchemaInput | undefined;
  destination: DestinationInput;
  /** Absent or null: a draft, which needs no Prefect. */
  schedule?: ScheduleInput | null | undefined;
  on_schema_change?: string | undefined;
  changed_files?: string | undefined;
  quality?: QualityInput | undefined;
}

/** Each part replaces the stored one as a whole. `schedule: null` removes the deployment; `source.credentials: null` or `{}` removes them. */
export interface UpdateIngestion {
  name?: string | undefined;
  source?: { credentials?: Record<string, string> | null | undefined } | undefined;
  format?: FormatInput | undefined;
  schema?: SchemaInput | undefined;
  schedule?: ScheduleInput | null | undefined;
  on_schema_change?: string | undefined;
  changed_files?: string | undefined;
  quality?: QualityInput | undefined;
}

/** As for create; what is not about the files may be left out. Nothing of it is kept. */
export type PreviewInput = Pick<CreateIngestion, 'source'> & Partial<CreateIngestion>;

/** Of files modified within [from, until) (ISO 8601) and below the prefix; all that is new when nothing is given. */
export interface TriggerInput {
  from?: string | null | undefined;
  until?: string | null | undefined;
  path_prefix?: string | null | undefined;
}

/** `confirm` must be true unless it is a dry run, which changes nothing. */
export interface RefreshInput {
  confirm?: boolean | undefined;
  dry_run?: boolean | undefined;
}

/** Without `paths`: all that failed. */
export interface RetryInput {
  paths?: string[] | undefined;
}
