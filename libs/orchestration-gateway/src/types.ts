/** Sluice's own words for what Prefect holds. Prefect's names and shapes stop in this library. */

/** When a deployment runs by itself. Already validated: five cron fields, an IANA zone. */
export interface Timetable {
  cron: string;
  timezone: string;
}

/** What the deployment `ingestion-<ingestionId>` should be. */
export interface DeploymentSpec {
  ingestionId: string;
  /** The person's title; goes into the deployment's description. */
  title: string;
  /** `null`: runs only when triggered (`frequency: manual`). */
  timetable: Timetable | null;
  paused: boolean;
}

/** The deployment as Prefect holds it now. */
export interface Deployment {
  id: string;
  name: string;
  ingestionId: string | null;
  timetable: Timetable | null;
  /** Prefect's id of the schedule `main`; `null` without a timetable. */
  scheduleId: string | null;
  paused: boolean;
}

/** Something of a deployment that is not as its spec says. The field is in Sluice's words. */
export interface Difference {
  field:
    | 'timetable'
    | 'paused'
    | 'work_pool'
    | 'tags'
    | 'ingestion_id'
    | 'schedule_parameters'
    | 'enforce_parameter_schema'
    | 'other_schedules';
  expected: unknown;
  found: unknown;
}

/** A deployment that is to be compared. */
export interface HeldDeployment extends Deployment {
  /** Whose it is by its tags: `unmarked` ones were made before installations were told apart, or somebody took the tag away. */
  owner: 'ours' | 'unmarked' | 'other';
  /** What a change would have to do; a stale title is no difference. */
  differences(spec: DeploymentSpec): Difference[];
}

/** Where a flow run stands, in Sluice's words. Terminal: completed, failed, crashed, cancelled. */
export type FlowRunPhase =
  'scheduled' | 'pending' | 'running' | 'paused' | 'cancelling' | 'completed' | 'failed' | 'crashed' | 'cancelled';

export interface FlowRun {
  id: string;
  deploymentId: string | null;
  phase: FlowRunPhase;
  /** Prefect's message of the state, for a person. */
  message: string | null;
  /** Ids only. */
  parameters: { ingestionId: string | null; runId: string | null };
  /** True when Prefect's scheduler made it, false when somebody triggered it. */
  scheduledByTimetable: boolean;
  /** True when it was made in place of another one that ended before its process came. */
  isInstead: boolean;
  /** True when it is the first one made for the run that its parameters name, and not a copy of those. */
  isOfItsRun: boolean;
  /** True when one Sluice has started it of the deployment of another: nobody is to execute it. */
  isCrossed: boolean;
  workPool: string | null;
  expectedStartAt: Date | null;
}

/** A flow run to be made for a run. `instead` (default false): in place of the first one, which ended before its process came; once per run. */
export interface FlowRunRequest {
  deploymentId: string;
  ingestionId: string;
  runId: string;
  instead?: boolean;
}

export interface LogLine {
  at: Date;
  level: 'debug' | 'info' | 'warning' | 'error' | 'critical';
  message: string;
}

/** Facts beside `initialized`; they decide nothing. */
export interface OrchestrationStatus {
  initialized: boolean;
  reason: import('@sluice/kernel').OrchestrationReason | null;
  /** When `initialized` last changed; `null` before the first probe. */
  since: Date | null;
  prefectVersion: string | null;
  lastProbeAt: Date | null;
  lastSuccessAt: Date | null;
  scheduler: 'alive' | 'dead' | 'unknown';
  workersOnline: number;
}

/** How the circuit breaker of one address of Prefect stands. `open`: calls are refused at once; `half_open`: one is let through to see. */
export interface CircuitStatus {
  /** Host and port. */
  server: string;
  state: 'closed' | 'half_open' | 'open';
}

/** How a flow run ended. `partial` is COMPLETED and `skipped` is COMPLETED, each named with that word. */
export type FlowRunOutcome = 'success' | 'partial' | 'skipped' | 'failed' | 'crashed' | 'cancelled';
