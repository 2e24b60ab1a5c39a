import { SCHEDULE_SLUG, ingestionIdOf, idempotencyKey, isKeyInstead, marksOf } from '../names';
import type { Deployment, FlowRun, FlowRunOutcome, FlowRunPhase, LogLine, Timetable } from '../types';
import type { StateType, WireDeployment, WireFlowRun } from './wire';

/**
 * Prefect's words in Sluice's, and back. The phase comes from the state's type alone: its name is free text, which a person or another
 * client may choose, so nothing is decided on it.
 */
export const PHASE_OF = {
  SCHEDULED: 'scheduled',
  PENDING: 'pending',
  RUNNING: 'running',
  PAUSED: 'paused',
  CANCELLING: 'cancelling',
  COMPLETED: 'completed',
  FAILED: 'failed',
  CRASHED: 'crashed',
  CANCELLED: 'cancelled',
} as const satisfies Record<StateType, FlowRunPhase>;

export const STATE_OF = {
  success: { type: 'COMPLETED', name: 'Completed' },
  partial: { type: 'COMPLETED', name: 'Partial' },
  skipped: { type: 'COMPLETED', name: 'Skipped' },
  failed: { type: 'FAILED', name: 'Failed' },
  crashed: { type: 'CRASHED', name: 'Crashed' },
  cancelled: { type: 'CANCELLED', name: 'Cancelled' },
} as const satisfies Record<FlowRunOutcome, { type: StateType; name: string }>;

/**
 * What to propose when Prefect refused the outcome and holds `refusedBy`; `null`: nothing, it stands. What is being cancelled can only end as cancelled.
 * `retries` (somebody gave the flow run some: ours have none) make the first FAILED an AwaitingRetry, which only the process that is about to end could
 * take up; the second one is taken.
 */
export function insteadOf(outcome: FlowRunOutcome, refusedBy: StateType | undefined): FlowRunOutcome | null {
  if (refusedBy === 'CANCELLING') return 'cancelled';
  return refusedBy === 'SCHEDULED' ? outcome : null;
}

/** What a flow run is called that waits for its turn. */
export const AWAITING = { type: 'SCHEDULED', name: 'AwaitingConcurrencySlot' } as const satisfies {
  type: StateType;
  name: string;
};

export const UNENDED = { type: { any_: ['SCHEDULED', 'PENDING', 'RUNNING'] satisfies StateType[] } };

/** Python's logging levels, which Prefect uses. */
export const LEVEL_NUMBER = {
  debug: 10,
  info: 20,
  warning: 30,
  error: 40,
  critical: 50,
} as const satisfies Record<LogLine['level'], number>;

export function deploymentOf(wire: WireDeployment): Deployment {
  const main = wire.schedules.find((schedule) => schedule.slug === SCHEDULE_SLUG);
  return {
    id: wire.id,
    name: wire.name,
    ingestionId: ingestionIdOf(wire.name),
    timetable: main?.active ? timetableOf(main.schedule) : null,
    scheduleId: main?.id ?? null,
    paused: wire.paused,
  };
}

function timetableOf(timing: { cron?: string | undefined; timezone?: string | null | undefined }): Timetable | null {
  return timing.cron === undefined ? null : { cron: timing.cron, timezone: timing.timezone ?? 'UTC' };
}

export function flowRunOf(wire: WireFlowRun): FlowRun {
  const { ingestion_id, run_id } = wire.parameters;
  return {
    id: wire.id,
    deploymentId: wire.deployment_id,
    phase: PHASE_OF[wire.state.type],
    message: wire.state.message ?? null,
    parameters: {
      ingestionId: typeof ingestion_id === 'string' ? ingestion_id : null,
      runId: typeof run_id === 'string' ? run_id : null,
    },
    scheduledByTimetable: wire.auto_scheduled,
    isInstead: isKeyInstead(wire.idempotency_key),
    isOfItsRun: typeof run_id === 'string' && wire.idempotency_key === idempotencyKey(run_id),
    isCrossed: typeof run_id === 'string' && marksOf(wire.tags).length > 1,
    workPool: wire.work_pool_name ?? null,
    expectedStartAt: wire.expected_start_time,
  };
}

/** Levels are plain numbers and others may lie between the named ones; the next lower name is used. */
export function levelOf(number: number): LogLine['level'] {
  const known = Object.entries(LEVEL_NUMBER) as [LogLine['level'], number][];
  return known.reverse().find(([, least]) => number >= least)?.[0] ?? 'debug';
}
