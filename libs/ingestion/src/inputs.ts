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
  options?: Record<string, unknown> | undefined;
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
  max_rejected_rows?: number | undefined;
  min_rows?: number | null | undefined;
  max_drop_percent?: number | null | undefined;
  max_age_seconds?: number | null | undefined;
}

export interface CreateIngestion {
  name: string;
  source: SourceInput;
  format?: FormatInput | undefined;
  destination: DestinationInput;
  /** Absent or null: a draft, which needs no Prefect. */
  schedule?: ScheduleInput | null | undefined;
  on_schema_change?: string | undefined;
  quality?: QualityInput | undefined;
}

/** Each part replaces the stored one as a whole. `schedule: null` removes the deployment; `source.credentials: null` or `{}` removes them. */
export interface UpdateIngestion {
  name?: string | undefined;
  source?: { credentials?: Record<string, string> | null | undefined } | undefined;
  format?: FormatInput | undefined;
  schedule?: ScheduleInput | null | undefined;
  on_schema_change?: string | undefined;
  quality?: QualityInput | undefined;
}

/** `from`, `until` and `path_prefix` come later; given now, they are refused. */
export interface TriggerInput {
  from?: string | undefined;
  until?: string | undefined;
  path_prefix?: string | undefined;
}
