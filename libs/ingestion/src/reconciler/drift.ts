/**
 * How the control database and Prefect can disagree:
 * `orphan`: a deployment of ours that no ingestion goes with. `unscheduled`: a deployment of an ingestion without a schedule. `missing`: an ingestion's
 * deployment is not there. `different`: it is not as the ingestion says. `another_deployment`: it was made again and has another id.
 * `other_installation`: another Sluice has marked it. `not_deployed`: a schedule from an older system that never had a deployment. `unreadable`: the
 * stored schedule is none. `unfinished_creation`, `unfinished_operation`: its process died. `tombstone`: still to be removed.
 */
export const DRIFT_KINDS = [
  'orphan',
  'unscheduled',
  'missing',
  'different',
  'another_deployment',
  'other_installation',
  'not_deployed',
  'unreadable',
  'unfinished_creation',
  'unfinished_operation',
  'tombstone',
] as const;
export type DriftKind = (typeof DRIFT_KINDS)[number];

/** What the reconciler does about it; `backfill` and `none` are left to a person. */
export const DRIFT_ACTIONS = ['create', 'change', 'record', 'remove', 'release', 'backfill', 'none'] as const;
export type DriftAction = (typeof DRIFT_ACTIONS)[number];

export interface Drift {
  kind: DriftKind;
  ingestionId: string | null;
  deploymentId: string | null;
  /** What should be, in Sluice's words; only what differs. `null`: nothing should be there. */
  expected: Record<string, unknown> | null;
  /** What is; `null`: nothing is there. */
  found: Record<string, unknown> | null;
  action: DriftAction;
  /** A sentence for a person. */
  message: string;
}

/** Of which kinds the action is done by comparing the ingestion with its deployment again, under a claim. */
export const REPAIRED: ReadonlySet<DriftKind> = new Set(['missing', 'different', 'another_deployment']);
/** Whose removal is guarded by the alarm. */
export const GUARDED: ReadonlySet<DriftKind> = new Set(['orphan', 'unscheduled']);

/** The others are a person's. */
export function isActedOn({ action }: Pick<Drift, 'action'>): boolean {
  return action !== 'none' && action !== 'backfill';
}
