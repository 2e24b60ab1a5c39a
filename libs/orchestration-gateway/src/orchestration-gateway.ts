import type { Deployments } from './api/deployments';
import type { FlowRuns } from './api/flow-runs';
import { removeDeployment } from './api/removal';
import type { SchedulerCheck } from './api/scheduler-check';
import type { Watch } from './api/watch';
import { deploymentName } from './names';
import type { PrefectClient } from './prefect/client';
import { unavailable } from './prefect/failures';
import type {
  Deployment,
  DeploymentSpec,
  FlowRun,
  FlowRunOutcome,
  FlowRunRequest,
  LogLine,
  OrchestrationStatus,
} from './types';

/** The parts a gateway is made of; `createGateway` puts them together. */
export interface GatewayParts {
  prefect: PrefectClient;
  deployments: Deployments;
  flowRuns: FlowRuns;
  scheduler: SchedulerCheck;
  watch: Watch;
}

/**
 * Sluice's side of Prefect, for the API. Every call throws `OrchestrationUnavailable(reason)` when Prefect cannot be used, within 5 s, and at
 * once when it is known to be down; a caller's value that Prefect refuses is a `ValueError`.
 * Its probe runs from Nest's `onApplicationBootstrap` (or `start`) to `onModuleDestroy`.
 */
export class OrchestrationGateway {
  constructor(private readonly parts: GatewayParts) {}

  /** True while an authenticated probe (pool readable, flow known, version in range) succeeded in the last 15 s; two misses turn it false, two hits true. */
  get initialized(): boolean {
    return this.parts.watch.initialized;
  }

  /** The facts beside the flag, from memory; never calls Prefect. */
  status(): OrchestrationStatus {
    return this.parts.watch.status();
  }

  /** Throws `OrchestrationUnavailable('not_initialized')` unless `initialized`. Saves time, decides nothing. */
  assertInitialized(): void {
    if (!this.initialized) throw unavailable('not_initialized');
  }

  /** Creates or finds the deployment `ingestion-<id>` (flow, pool, tag `sluice`, description = title, one schedule `main` or none). An ambiguous time-out is resolved by asking once by name. */
  async upsertDeployment(spec: DeploymentSpec): Promise<Deployment> {
    return this.#writing(deploymentName(spec.ingestionId), this.parts.deployments.upsert(spec));
  }

  /** `null` when there is none. */
  findDeployment(ingestionId: string): Promise<Deployment | null> {
    return this.parts.deployments.find(ingestionId);
  }

  /** Brings title, timetable and paused to `spec` by PATCH (schedule id kept), only where they differ. Returns what it was before. `null`: no such deployment. */
  async changeDeployment(deploymentId: string, spec: DeploymentSpec): Promise<Deployment | null> {
    return this.#writing(deploymentId, this.parts.deployments.change(deploymentId, spec));
  }

  /** Repeatable. False: no such deployment. */
  async setPaused(deploymentId: string, paused: boolean): Promise<boolean> {
    return this.#writing(deploymentId, this.parts.deployments.setPaused(deploymentId, paused));
  }

  /** Cancels the active flow runs of the deployment `ingestion-<id>`, then deletes it. Repeatable; none is fine. */
  async removeDeployment(ingestionId: string, signal?: AbortSignal): Promise<void> {
    await removeDeployment(this.parts.prefect, ingestionId, signal);
  }

  /** The earliest planned start of each deployment; absent when none is planned, empty when Prefect cannot be asked within 1 s (never throws). */
  nextRunTimes(deploymentIds: readonly string[]): Promise<Map<string, Date>> {
    return this.parts.flowRuns.nextRunTimes(deploymentIds);
  }

  /** One flow run with the idempotency key `run:<runId>` (`run:<runId>:2` for the one made instead of it) and ids as parameters; repeatable. `OrchestrationUnavailable('not_initialized')` when the deployment is missing in Prefect. */
  createFlowRun(request: FlowRunRequest): Promise<{ flowRunId: string }> {
    return this.parts.flowRuns.create(request);
  }

  /** `null` when there is none. */
  readFlowRun(flowRunId: string): Promise<FlowRun | null> {
    return this.parts.flowRuns.read(flowRunId);
  }

  /** By their ids; absent when there is none. */
  readFlowRuns(flowRunIds: readonly string[]): Promise<Map<string, FlowRun>> {
    return this.parts.flowRuns.readMany(flowRunIds);
  }

  /** Asks Prefect to cancel: CANCELLING when a process has it, CANCELLED when none has. Resolves with the phase after; `null`: no such flow run. */
  cancelFlowRun(flowRunId: string): Promise<FlowRun['phase'] | null> {
    return this.parts.flowRuns.cancel(flowRunId);
  }

  /** Flow runs of `run-ingestion` with the tag `sluice` that are pending, running or being cancelled: a worker has claimed them and they have not ended. */
  claimedFlowRuns(): Promise<FlowRun[]> {
    return this.parts.flowRuns.claimed();
  }

  /**
   * Ends a flow run whose process is gone; one that is being cancelled ends as cancelled, whatever the outcome. Resolves with the phase it is in
   * then: that of Prefect, which leaves one that has ended as it is. `null`: no such flow run.
   */
  endFlowRun(flowRunId: string, outcome: FlowRunOutcome, message: string): Promise<FlowRun['phase'] | null> {
    return this.parts.flowRuns.end(flowRunId, outcome, message);
  }

  /** Log lines of a flow run, oldest first. `offset` counts lines; `limit` at most 200. */
  logs(flowRunId: string, page: { offset: number; limit: number }): Promise<LogLine[]> {
    return this.parts.flowRuns.logs(flowRunId, page);
  }

  /** All deployments with the tag `sluice`. One deleted or made meanwhile may be missing: ask again by id before acting on an absence. */
  listDeployments(): Promise<Deployment[]> {
    return this.parts.deployments.list();
  }

  onApplicationBootstrap(): void {
    this.parts.watch.start();
  }

  onModuleDestroy(): void {
    this.parts.watch.stop();
  }

  /** Requests under way when the service ends still need their connections, so these go last. */
  onApplicationShutdown(): void {
    this.parts.prefect.close();
  }

  /** A plan that was just changed says nothing about the scheduler, whether the change succeeded or not. */
  async #writing<T>(deployment: string, write: Promise<T>): Promise<T> {
    try {
      return await write;
    } finally {
      this.parts.scheduler.wrote(deployment);
    }
  }
}
