import { randomUUID } from 'node:crypto';

export type StateType =
  'SCHEDULED' | 'PENDING' | 'RUNNING' | 'PAUSED' | 'CANCELLING' | 'COMPLETED' | 'FAILED' | 'CRASHED' | 'CANCELLED';

export interface FakeState {
  id: string;
  type: StateType;
  name: string;
  timestamp: string;
  message: string | null;
  state_details: { transition_id: string | null; scheduled_time: string | null };
}

export interface FakeSchedule {
  id: string;
  deployment_id: string;
  slug: string | null;
  active: boolean;
  schedule: { cron: string; timezone: string; day_or: boolean; rrule?: string };
  parameters: Record<string, unknown>;
  updated: string;
}

export interface FakeDeployment {
  id: string;
  created: string;
  updated: string;
  name: string;
  flow_id: string;
  description: string | null;
  paused: boolean;
  tags: string[];
  parameters: Record<string, unknown>;
  work_pool_name: string | null;
  enforce_parameter_schema: boolean;
  schedules: FakeSchedule[];
}

export interface FakeFlowRun {
  id: string;
  name: string;
  flow_id: string;
  deployment_id: string | null;
  parameters: Record<string, unknown>;
  idempotency_key: string | null;
  tags: string[];
  auto_scheduled: boolean;
  work_pool_name: string | null;
  expected_start_time: string;
  end_time: string | null;
  /** Of its `empirical_policy`; absent: none. */
  retries_left?: number;
  state_type: StateType;
  state_name: string;
  state: FakeState;
}

export interface FakeWorkPool {
  id: string;
  name: string;
  type: string;
  base_job_template: Record<string, unknown>;
  is_paused: boolean;
}

export interface FakeRequest {
  method: string;
  path: string;
  body: unknown;
  headers: Record<string, string | string[] | undefined>;
  /** The caller's port: equal for requests on one connection. */
  port: number | undefined;
}

/** The flow of the canary. */
export const CANARY = 'sluice-canary';

/** All that the fake remembers; tests read it and may write it. */
export class FakeStore {
  readonly flows: { id: string; name: string }[] = [];
  readonly workPools: FakeWorkPool[] = [];
  readonly workers: { name: string; status: 'ONLINE' | 'OFFLINE' }[] = [];
  readonly deployments: FakeDeployment[] = [];
  readonly flowRuns: FakeFlowRun[] = [];
  /** What belongs to no ingestion, apart from what does: the canary by which the scheduler is watched, and its runs. */
  readonly canaries: FakeDeployment[] = [];
  readonly canaryRuns: FakeFlowRun[] = [];
  readonly logs: {
    flow_run_id: string | null;
    level: number;
    message: string;
    timestamp: string;
    name: string;
    id: string;
  }[] = [];
  readonly artifacts: {
    id: string;
    key: string | null;
    type: string | null;
    flow_run_id: string | null;
    data: unknown;
  }[] = [];
  readonly events: { event: string; resource: Record<string, string> }[] = [];
  readonly requests: FakeRequest[] = [];
  version = '3.8.8';
  /** False: no run is planned any more, as when the server's background services have died. */
  schedulerAlive = true;

  get allDeployments(): FakeDeployment[] {
    return [...this.deployments, ...this.canaries];
  }
}

const nameOf = (type: StateType): string => type.charAt(0) + type.slice(1).toLowerCase();

export function newState(type: StateType, details: Partial<Omit<FakeState, 'type'>> = {}): FakeState {
  return {
    id: randomUUID(),
    type,
    name: nameOf(type),
    timestamp: new Date().toISOString(),
    message: null,
    state_details: { transition_id: null, scheduled_time: null },
    ...details,
  };
}

const ENDED: ReadonlySet<StateType> = new Set(['COMPLETED', 'FAILED', 'CRASHED', 'CANCELLED']);

export function enterState(run: FakeFlowRun, state: FakeState): void {
  run.state = state;
  run.end_time = ENDED.has(state.type) ? (run.end_time ?? state.timestamp) : null;
  run.state_type = state.type;
  run.state_name = state.name;
}

/** Removes in place, so that a test's reference to the list stays good. */
export function removeWhere<T>(list: T[], unwanted: (item: T) => boolean): number {
  const kept = list.filter((item) => !unwanted(item));
  const removed = list.length - kept.length;
  list.splice(0, list.length, ...kept);
  return removed;
}
