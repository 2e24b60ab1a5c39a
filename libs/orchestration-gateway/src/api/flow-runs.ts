import { randomUUID } from 'node:crypto';
import { type Clock, DeploymentOfAnother } from '@sluice/kernel';
import { TAG, deploymentName, idempotencyKey, idempotencyKeyInstead, installationTag, marksOf } from '../names';
import type { Budget } from '../prefect/budget';
import type { PrefectClient } from '../prefect/client';
import { unavailable } from '../prefect/failures';
import * as routes from '../prefect/routes';
import type { FlowRunFilter, StateType } from '../prefect/wire';
import { PHASE_OF, STATE_OF, flowRunOf, insteadOf, levelOf } from '../prefect/words';
import type { FlowRun, FlowRunOutcome, FlowRunRequest, LogLine } from '../types';

const MAX_LINES = 200;
/** Prefect's own tag on what its scheduler plans. */
const PLANNED_TAG = 'auto-scheduled';

/** What the scheduler made of a deployment's timetable from `from` to `until`, both included. */
export function dueTicks(deploymentId: string, from: Date, until: Date | null) {
  return {
    deployment_id: { any_: [deploymentId] },
    tags: { all_: [PLANNED_TAG] },
    expected_start_time: { after_: from.toISOString(), ...(until && { before_: until.toISOString() }) },
  };
}

/** Pages overlap, so that a flow run which ends between two pages does not hide one that has not. */
const OVERLAP = 20;
const CLAIMED: StateType[] = ['PENDING', 'RUNNING', 'CANCELLING'];
const BROKEN: StateType[] = ['FAILED', 'CRASHED'];
const ENDED: ReadonlySet<StateType> = new Set(['COMPLETED', 'FAILED', 'CRASHED', 'CANCELLED']);

function transition() {
  return { state_details: { transition_id: randomUUID() } };
}

export class FlowRuns {
  constructor(
    private readonly prefect: PrefectClient,
    private readonly clock: Clock,
    /** Who starts flow runs; `null`: nobody tells installations apart. */
    private readonly installation: () => string | null = () => null,
  ) {}

  async create(request: FlowRunRequest): Promise<{ flowRunId: string }> {
    const { deploymentId, ingestionId, runId, instead = false } = request;
    const mark = this.#mark;
    const parameters = { ingestion_id: ingestionId, run_id: runId };
    const idempotency_key = instead ? idempotencyKeyInstead(runId) : idempotencyKey(runId);
    const body = { idempotency_key, parameters, tags: [TAG, ...mark] };
    const made = await this.prefect.find(routes.createFlowRun(deploymentId, body));
    if (!made) throw unavailable('not_initialized', `deployment ${deploymentId} is missing in Prefect`);
    const others = marksOf(made.tags).filter((tag) => !mark.includes(tag));
    if (mark.length > 0 && others.length > 0) await this.#takeBack(made.id, ingestionId, others);
    return { flowRunId: made.id };
  }

  get #mark(): string[] {
    const installation = this.installation();
    return installation === null ? [] : [installationTag(installation)];
  }

  /** Known only from the answer, which has the tags of the deployment too: asking before would cost each trigger a call. A process that is faster sees both marks. */
  async #takeBack(flowRunId: string, ingestionId: string, others: readonly string[]): Promise<never> {
    await this.cancel(flowRunId);
    throw new DeploymentOfAnother(deploymentName(ingestionId), others);
  }

  async read(id: string): Promise<FlowRun | null> {
    const found = await this.prefect.find(routes.readFlowRun(id));
    return found && flowRunOf(found);
  }

  async cancel(id: string): Promise<FlowRun['phase'] | null> {
    const budget = this.prefect.budget();
    const proposal = { type: 'CANCELLING' as const, ...transition() };
    const verdict = await this.prefect.find(routes.setState(id, proposal), budget);
    if (verdict?.state) return PHASE_OF[verdict.state.type];
    const found = verdict && (await this.prefect.find(routes.readFlowRun(id), budget));
    return found && PHASE_OF[found.state.type];
  }

  async readMany(ids: readonly string[]): Promise<Map<string, FlowRun>> {
    const found = new Map<string, FlowRun>();
    for (let first = 0; first < ids.length; first += MAX_LINES) {
      const filter = { id: { any_: ids.slice(first, first + MAX_LINES) } };
      for (const run of await this.prefect.send(routes.filterFlowRuns(filter))) found.set(run.id, flowRunOf(run));
    }
    return found;
  }

  /** By the keys they were made with. */
  async firstOf(runIds: readonly string[]): Promise<Map<string, FlowRun>> {
    const runOf = new Map(runIds.map((id) => [idempotencyKey(id), id]));
    const found = new Map<string, FlowRun>();
    const keys = [...runOf.keys()];
    for (let first = 0; first < keys.length; first += MAX_LINES) {
      const filter = { idempotency_key: { any_: keys.slice(first, first + MAX_LINES) } };
      for (const run of await this.prefect.send(routes.filterOurFlowRuns(filter, 0))) {
        const runId = runOf.get(run.idempotency_key ?? '');
        if (runId !== undefined) found.set(runId, flowRunOf(run));
      }
    }
    return found;
  }

  /** Flow runs of ours that a worker has claimed and that have not ended. */
  claimed(): Promise<FlowRun[]> {
    return this.#all({ state: { type: { any_: CLAIMED } }, tags: { all_: [TAG] } });
  }

  /** Whether one was ever RUNNING Prefect does not tell: it gives a start time to all that has ended. */
  brokenTicks(since: Date): Promise<FlowRun[]> {
    return this.#all({
      state: { type: { any_: BROKEN } },
      tags: { all_: [TAG, PLANNED_TAG] },
      end_time: { after_: since.toISOString() },
    });
  }

  async #all(filter: FlowRunFilter): Promise<FlowRun[]> {
    const found = new Map<string, FlowRun>();
    for (let offset = 0; ; offset += MAX_LINES - OVERLAP) {
      const page = await this.prefect.send(routes.filterOurFlowRuns(filter, offset));
      for (const run of page) found.set(run.id, flowRunOf(run));
      if (page.length < MAX_LINES) return [...found.values()];
    }
  }

  /** Asked first: from some terminal states Prefect would accept another one. */
  async end(id: string, outcome: FlowRunOutcome, message: string): Promise<FlowRun['phase'] | null> {
    const budget = this.prefect.budget();
    const known = await this.prefect.find(routes.readFlowRun(id), budget);
    if (!known || ENDED.has(known.state.type)) return known && PHASE_OF[known.state.type];
    const propose = (as: FlowRunOutcome) =>
      this.prefect.find(routes.setState(id, { ...STATE_OF[as], message, ...transition() }), budget);
    const verdict = await propose(known.state.type === 'CANCELLING' ? 'cancelled' : outcome);
    const instead = verdict?.status === 'ACCEPT' ? null : insteadOf(outcome, verdict?.state?.type);
    const last = instead ? await propose(instead) : verdict;
    return last?.state ? PHASE_OF[last.state.type] : null;
  }

  async logs(id: string, page: { offset: number; limit: number }): Promise<LogLine[]> {
    const lines = await this.prefect.send(routes.readLogs(id, page.offset, Math.min(page.limit, MAX_LINES)));
    return lines.map((line) => ({ at: line.timestamp, level: levelOf(line.level), message: line.message }));
  }

  /**
   * The earliest planned start of each deployment. Prefect answers 200 runs at most, the earliest first, so a busy deployment can fill a
   * page: the ones already found are left out of the next question.
   */
  async plannedTimes(deploymentIds: readonly string[], budget: Budget): Promise<Map<string, Date>> {
    const times = new Map<string, Date>();
    for (let open = [...deploymentIds]; open.length > 0;) {
      const page = await this.prefect.send(routes.filterFlowRuns(this.#planned(open)), budget);
      for (const { deployment_id, expected_start_time } of page)
        if (deployment_id && expected_start_time && !times.has(deployment_id))
          times.set(deployment_id, expected_start_time);
      if (page.length < MAX_LINES) return times;
      open = open.filter((id) => !times.has(id));
    }
    return times;
  }

  /** The ticks between, both ends included, for which Prefect has a flow run, whatever became of it; earliest first. */
  async ticks(deploymentId: string, from: Date, until: Date): Promise<Date[]> {
    const budget = this.prefect.budget();
    const times = new Map<number, Date>();
    for (let after = from; ;) {
      const page = await this.prefect.send(routes.filterFlowRuns(dueTicks(deploymentId, after, until)), budget);
      for (const { expected_start_time: at } of page) if (at) times.set(at.getTime(), at);
      const last = page.at(-1)?.expected_start_time;
      // A page that ends where it began holds nothing but one tick, planned often.
      if (page.length < MAX_LINES || !last || last.getTime() === after.getTime()) return [...times.values()];
      after = last;
    }
  }

  #planned(deploymentIds: string[]) {
    return {
      deployment_id: { any_: deploymentIds },
      state: { type: { any_: ['SCHEDULED' as const] } },
      tags: { all_: [PLANNED_TAG] },
      expected_start_time: { after_: this.clock.now().toISOString() },
    };
  }
}
