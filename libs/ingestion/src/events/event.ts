/** What somebody should hear of. The list is closed: whoever receives events goes by the kind. */
export const EVENT_KINDS = [
  /** So many runs in a row have failed; once in a streak. */
  'failing',
  /** So many that the ingestion has paused itself. */
  'paused_by_failures',
  /** No run was a success for longer than `quality.max_age_seconds`. */
  'stale',
  /** Closes a `stale`: `facts.because` says whether it is fresh or no longer watched. */
  'fresh',
  /** Files that have failed as often as is allowed in one run: they are not tried again unasked. */
  'quarantined',
  /** The control database and Prefect disagree by more than is repaired without being asked. */
  'drift_alarm',
] as const;
export type EventKind = (typeof EVENT_KINDS)[number];

export interface NewEvent {
  kind: EventKind;
  ingestionId: string | null;
  /** A sentence for a person. */
  message: string;
  /** For programs; `ingestion_name` among them, where there is one. */
  facts: Record<string, unknown>;
}

/** Nobody is told of an event older than this, seconds. */
export const TOLD_WITHIN_SECONDS = 86_400;
