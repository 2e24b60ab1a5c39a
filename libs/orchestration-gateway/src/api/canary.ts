import { CANARY, SCHEDULE_SLUG } from '../names';
import type { Budget } from '../prefect/budget';
import type { PrefectClient } from '../prefect/client';
import * as routes from '../prefect/routes';
import type { DeploymentUpdate, WireDeployment } from '../prefect/wire';

/** Within the 100 days that Prefect plans ahead, and so far away that it never comes while Sluice runs. */
const FAR_MS = 60 * 86_400_000;
const DESCRIPTION =
  'Shows whether the scheduler plans runs; its one run is planned again and again and never executed.';

/**
 * A deployment whose plan shows that Prefect's scheduler works. Its single run lies far away, and each `disturb` makes Prefect drop that run: when it is
 * there again, the scheduler has made it. It has no work pool, so nothing could ever execute it, and not our tag, so nobody takes it for an
 * ingestion's. Replicas share it; whoever deletes or pauses it finds it put right at the next look.
 */
export class Canary {
  constructor(private readonly prefect: PrefectClient) {}

  /** Made when it is missing. */
  async read(now: Date, budget: Budget): Promise<WireDeployment> {
    const known = await this.prefect.find(routes.readDeploymentByName(CANARY, CANARY), budget);
    return known ?? this.#make(now, budget);
  }

  async isPlanned({ id }: WireDeployment, budget: Budget): Promise<boolean> {
    const planned = { deployment_id: { any_: [id] }, state: { type: { any_: ['SCHEDULED' as const] } } };
    return (await this.prefect.send(routes.filterFlowRuns(planned), budget)).some((run) => run.auto_scheduled);
  }

  /** Its description and all else stay the same, so that Prefect records no event. False: it was deleted meanwhile. */
  async disturb({ id }: WireDeployment, now: Date, budget: Budget): Promise<boolean> {
    return (await this.prefect.find(routes.patchDeployment(id, body(now)), budget)) !== null;
  }

  async #make(now: Date, budget: Budget): Promise<WireDeployment> {
    const flow = await this.prefect.send(routes.ensureFlow(CANARY), budget);
    const creation = { ...body(now), name: CANARY, flow_id: flow.id, enforce_parameter_schema: false };
    return this.prefect.send(routes.createDeployment(creation), budget);
  }
}

function body(now: Date) {
  const start = new Date(now.getTime() + FAR_MS).toISOString().replace(/[-:]|\.\d+/g, '');
  const schedule = { rrule: `DTSTART:${start}\nRRULE:FREQ=DAILY;COUNT=1`, timezone: 'UTC' };
  return {
    description: DESCRIPTION,
    paused: false,
    schedules: [{ slug: SCHEDULE_SLUG, active: true, schedule, parameters: {} }],
  } satisfies DeploymentUpdate;
}
