import type { Deployments } from './api/deployments';
import type { FlowRuns } from './api/flow-runs';
import type { NextRuns } from './api/next-runs';
import { removeDeployment } from './api/removal';
import type { Watch } from './api/watch';
import type { PrefectClient } from './prefect/client';
import { unavailable } from './prefect/failures';
import type {
  CircuitStatus,
  Deployment,
  DeploymentSpec,
  FlowRun,
  FlowRunOutcome,
  FlowRunRequest,
  HeldDeployment,
  LogLine,
  OrchestrationStatus,
} from './types';

/** The parts a gateway is made of; `createGateway` puts them together. */
export interface GatewayParts {
  prefect: PrefectClient;
  deployments: Deployments;
  flowRuns: FlowRuns;
  nextRuns: NextRuns;
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

  /** One for each address in `PREFECT_API_URL`, from memory. */
  circuits(): CircuitStatus[] {
    return this.parts.prefect.servers.all.map(({ name, breaker }) => ({ server: name, state: breaker.state }));
  }

  /** Throws `OrchestrationUnavailable('not_initialized')` unless `initialized`. Saves time, decides nothing. */
  assertInitialized(): void {
    if (!this.initialized) throw unavailable('not_initialized');
  }

  /** Creates or finds the deployment `ingestion-<id>` (flow, pool, tag `sluice`, description = title, one schedule `main` or none). An ambiguous time-out is resolved by asking once by name. `Conflict`: it is another installation's. */
  async upsertDeployment(spec: DeploymentSpec): Promise<Deployment> {
    const made = await this.parts.deployments.upsert(spec);
    this.parts.nextRuns.forget(made.id);
    return made;
  }

  /** `null` when there is none. */
  findDeployment(ingestionId: string): Promise<Deployment | null> {
    return this.parts.deployments.find(ingestionId);
  }

  /** Brings title, timetable and paused to `spec` by PATCH (schedule id kept), only where they differ. Returns what it was before. `null`: no such deployment. `Conflict`: it is another installation's. */
  async changeDeployment(deploymentId: string, spec: DeploymentSpec): Promise<Deployment | null> {
    return this.#writing(deploymentId, this.parts.deployments.change(deploymentId, spec));
  }

  /** Repeatable. False: no such deployment. `Conflict`: it is another installation's. */
  async setPaused(deploymentId: string, paused: boolean): Promise<boolean> {
    return this.#writing(deploymentId, this.parts.deployments.setPaused(deploymentId, paused));
  }

  /** Cancels the active flow runs of the deployment `ingestion-<id>`, then deletes it. Repeatable; none is fine, and another installation's is left alone. */
  async removeDeployment(ingestionId: string, signal?: AbortSignal): Promise<void> {
    const { installation } = this.parts.deployments;
    await removeDeployment(this.parts.prefect, { ingestionId, installation }, signal);
  }

  /**
   * The earliest planned start of each deployment; absent when none is planned or nobody knows. For readers: never throws, shares and remembers answers
   * for a second or two, waits at most 300 ms, and not at all while Prefect is known to be in trouble.
   */
  nextRunTimes(deploymentIds: readonly string[]): Promise<Map<string, Date>> {
    return this.parts.nextRuns.of(deploymentIds);
  }

  /** The ticks from `from` to `until`, both included, for which Prefect has planned a flow run, whatever became of it; earliest first. */
  ticks(deploymentId: string, from: Date, until: Date): Promise<Date[]> {
    return this.parts.flowRuns.ticks(deploymentId, from, until);
  }

  /** Flow runs of `run-ingestion` with the tag `sluice` that the scheduler planned and that have failed or crashed since then. */
  brokenTicks(since: Date): Promise<FlowRun[]> {
    return this.parts.flowRuns.brokenTicks(since);
  }

  /** One flow run with the idempotency key `run:<runId>` (`run:<runId>:2` for the one made instead of it) and ids as parameters; repeatable. `OrchestrationUnavailable('not_initialized')` when the deployment is missing in Prefect, `DeploymentOfAnother` when it is another installation's: then it is cancelled. */
  createFlowRun(request: FlowRunRequest): Promise<{ flowRunId: string }> {
    return this.parts.flowRuns.create(request);
  }

  /** The flow runs that were made for these runs, by run id: the first one of each, ended or not; absent when there is none. */
  flowRunsMadeFor(runIds: readonly string[]): Promise<Map<string, FlowRun>> {
    return this.parts.flowRuns.firstOf(runIds);
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

  /** From now on deployments are marked as this installation's, and told apart from those of others in the same Prefect. */
  speakFor(installation: string): void {
    this.parts.deployments.installation = installation;
  }

  /** Deployments marked as ours, page by page in the order of their names. One deleted or made meanwhile may be missing, one may come twice. Needs `speakFor`. */
  deploymentPages(): AsyncGenerator<HeldDeployment[]> {
    return this.parts.deployments.pages();
  }

  /** The deployments `ingestion-<id>` of these ingestions, whoever's they are. */
  deploymentsOf(ingestionIds: readonly string[]): Promise<HeldDeployment[]> {
    return this.parts.deployments.ofIngestions(ingestionIds);
  }

  /** Deployments of Sluice that are not marked as ours: some of them, if there are any. */
  strangers(): Promise<HeldDeployment[]> {
    return this.parts.deployments.strangers();
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

  /** What was known of its next run is no longer true, whether the change succeeded or not. */
  async #writing<T>(deploymentId: string, write: Promise<T>): Promise<T> {
    try {
      return await write;
    } finally {
      this.parts.nextRuns.forget(deploymentId);
    }
  }
}
