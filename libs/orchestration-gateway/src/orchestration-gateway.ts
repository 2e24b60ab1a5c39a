import type { Deployment, DeploymentSpec, FlowRun, LogLine, OrchestrationStatus, Timetable } from './types';

/** Contract stub, to be replaced by the implementation: signatures and doc comments are the contract. */
export class OrchestrationGateway {
  /** True while an authenticated probe (pool readable, flow known, version in range) succeeded in the last 15 s; two misses turn it false, two hits true. */
  get initialized(): boolean {
    throw new Error('contract');
  }
  /** The facts beside the flag, from memory; never calls Prefect. */
  status(): OrchestrationStatus {
    throw new Error('contract');
  }
  /** Throws `OrchestrationUnavailable('not_initialized')` unless `initialized`. Saves time, decides nothing. */
  assertInitialized(): void {}
  /** Creates or finds the deployment `ingestion-<id>` (flow, pool, tag `sluice`, description = title, one schedule `main` or none). An ambiguous time-out is resolved by asking once by name. */
  upsertDeployment(_spec: DeploymentSpec): Promise<Deployment> {
    throw new Error('contract');
  }
  /** `null` when there is none. */
  findDeployment(_ingestionId: string): Promise<Deployment | null> {
    throw new Error('contract');
  }
  /** Brings title, timetable and paused to `spec` by PATCH (schedule id kept), only where they differ. Returns what it was before. `null`: no such deployment. */
  changeDeployment(_deploymentId: string, _spec: DeploymentSpec): Promise<Deployment | null> {
    throw new Error('contract');
  }
  /** Repeatable. False: no such deployment. */
  setPaused(_deploymentId: string, _paused: boolean): Promise<boolean> {
    throw new Error('contract');
  }
  /** Cancels the active flow runs of the deployment `ingestion-<id>`, then deletes it. Repeatable; none is fine. */
  removeDeployment(_ingestionId: string, _signal?: AbortSignal): Promise<void> {
    throw new Error('contract');
  }
  /** The earliest planned start of each deployment; absent when none is planned, empty when Prefect cannot be asked within 1 s (never throws). */
  nextRunTimes(_deploymentIds: readonly string[]): Promise<Map<string, Date>> {
    throw new Error('contract');
  }
  /** One flow run with the idempotency key `run:<runId>` and ids as parameters; repeatable. */
  createFlowRun(_request: {
    deploymentId: string;
    ingestionId: string;
    runId: string;
  }): Promise<{ flowRunId: string }> {
    throw new Error('contract');
  }
  /** `null` when there is none. */
  readFlowRun(_flowRunId: string): Promise<FlowRun | null> {
    throw new Error('contract');
  }
  /** Asks Prefect to cancel: CANCELLING when a process has it, CANCELLED when none has. Resolves with the phase after; `null`: no such flow run. */
  cancelFlowRun(_flowRunId: string): Promise<FlowRun['phase'] | null> {
    throw new Error('contract');
  }
  /** Log lines of a flow run, oldest first. `offset` counts lines; `limit` at most 200. */
  logs(_flowRunId: string, _page: { offset: number; limit: number }): Promise<LogLine[]> {
    throw new Error('contract');
  }
  /** All deployments with the tag `sluice`. */
  listDeployments(): Promise<Deployment[]> {
    throw new Error('contract');
  }
}
export type { Timetable };
