import type { RunOutcome } from '@sluice/batch-orchestrator';

/** What a runner is told, once it is ready. */
export interface Go {
  ingestionId: string;
  flowRunId: string;
}

/** What a runner says, in this order; the last one may be missing when it is killed. */
export type Said =
  | { kind: 'ready' }
  | { kind: 'entered'; runId: string }
  /** `null`: the run belongs to another process. */
  | { kind: 'ended'; outcome: Pick<RunOutcome, 'status' | 'summary'> | null }
  | { kind: 'fault'; message: string };
