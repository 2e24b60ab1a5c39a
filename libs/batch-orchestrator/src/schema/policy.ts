import type { ReadPlan } from '@sluice/connectors';
import type { OnSchemaChange } from '@sluice/ingestion';

/** What `on_schema_change` means, as data. */
export interface Policy {
  /** What readers do with a column the schema does not know. */
  unknown: ReadPlan['unknown'];
  /** What readers do with a value that does not fit its column. */
  unfit: ReadPlan['unfit'];
  /** New columns are added to the table. */
  adds: boolean;
  /** Types are widened; columns that vanish lose their NOT NULL. */
  syncs: boolean;
  /** Any difference ends the run. */
  stops: boolean;
  /** A table that is there may be altered at all. */
  alters: boolean;
}

export const POLICY = {
  ignore: { unknown: 'ignore', unfit: 'refuse', adds: false, syncs: false, stops: false, alters: false },
  append_new_columns: { unknown: 'report', unfit: 'refuse', adds: true, syncs: false, stops: false, alters: true },
  sync_all_columns: { unknown: 'report', unfit: 'refuse', adds: true, syncs: true, stops: false, alters: true },
  rescue: { unknown: 'rescue', unfit: 'rescue', adds: false, syncs: false, stops: false, alters: true },
  fail: { unknown: 'report', unfit: 'refuse', adds: false, syncs: false, stops: true, alters: false },
} as const satisfies Record<OnSchemaChange, Policy>;

/** What readers do; while no column is known yet, every one is new. */
export function readingBy(policy: Policy, initial: boolean): Pick<Policy, 'unknown' | 'unfit'> {
  return initial ? POLICY.append_new_columns : policy;
}
