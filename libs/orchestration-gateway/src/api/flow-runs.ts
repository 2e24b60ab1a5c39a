import { randomUUID } from 'node:crypto';
import type { Clock } from '@sluice/kernel';
import { TAG, idempotencyKey } from '../names';
import type { Budget } from '../prefect/budget';
import type { PrefectClient } from '../prefect/client';
import { unavailable } from '../prefect/failures';
import * as routes from '../prefect/routes';
import { PHASE_OF, flowRunOf, levelOf } from '../prefect/words';
import type { FlowRun, LogLine } from '../types';

const MAX_LINES = 200;
/** Prefect's own tag on what its scheduler plans. */
const PLANNED_TAG = 'auto-scheduled';

/** What the scheduler made of a deployment's timetable from `from` to `until`, both included. */
export function dueTicks(deploymentId: string, from: Date, until: Date) {
  return {
    deployment_id: { any_: [deploymentId] },
    tags: { all_: [PLANNED_TAG] },
    expected_start_time: { after_: from.toISOString(), before_: until.toISOString() },
  };
}

export class FlowRuns {
  constructor(
    private readonly prefect: PrefectClient,
    private readonly clock: Clock,
  ) {}

  async create(request: { deploymentId: string; ingestionId: string; runId: string }): Promise<{ flowRunId: string }> {
    const { deploymentId, ingestionId, runId } = request;
    const parameters = { ingestion_id: ingestionId, run_id: runId };
    const body = { idempotency_key: idempotencyKey(runId), parameters, tags: [TAG] };
    const made = await this.prefect.find(routes.createFlowRun(deploymentId, body));
    if (!made) throw unavailable('not_initialized', `deployment ${deploymentId} is missing in Prefect`);
    return { flowRunId: made.id };
  }

  async read(id: string): Promise<FlowRun | null> {
    const found = await this.prefect.find(routes.readFlowRun(id));
    return found && flowRunOf(found);
  }

  async cancel(id: string): Promise<FlowRun['phase'] | null> {
    const budget = this.prefect.budget();
    const proposal = { type: 'CANCELLING' as const, state_details: { transition_id: randomUUID() } };
    const verdict = await this.prefect.find(routes.setState(id, proposal), budget);
    if (verdict?.state) return PHASE_OF[verdict.state.type];
    const found = verdict && (await this.prefect.find(routes.readFlowRun(id), budget));
    return found && PHASE_OF[found.state.type];
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
