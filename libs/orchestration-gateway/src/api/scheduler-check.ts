import type { Clock } from '@sluice/kernel';
import { Cron } from 'croner';
import { TAG } from '../names';
import type { PrefectClient } from '../prefect/client';
import * as routes from '../prefect/routes';
import type { WireDeployment } from '../prefect/wire';
import { deploymentOf } from '../prefect/words';
import type { FlowRuns } from './flow-runs';

const CHECK_MS = 2_000;
/** Prefect plans anew within 5 s of a change; until well after that a missing plan proves nothing. */
const QUIET_MS = 30_000;
/** So many deployments tell enough. */
const SAMPLE = 100;
/** Prefect plans 100 days ahead and nothing beyond, so a yearly schedule rightly has no run most of the time. */
const HORIZON_MS = 99 * 86_400_000;

/**
 * Whether Prefect's scheduler lives, judged by its work: an active schedule has a future run. Prefect's own `/health` and `/ready` stay
 * green when it is dead. Those changed last are looked at, since any change drops the plan: they show a death first, the others only when
 * their planned runs are used up.
 */
export class SchedulerCheck {
  /** When we last wrote to a deployment, by its id or its name; entries older than `QUIET_MS` go. */
  readonly #writes = new Map<string, number>();

  constructor(
    private readonly prefect: PrefectClient,
    private readonly flowRuns: FlowRuns,
    private readonly clock: Clock,
  ) {}

  /** To be called after each of our own writes to a deployment: not every one changes its `updated`. */
  wrote(idOrName: string): void {
    const now = this.clock.now().getTime();
    for (const [key, at] of this.#writes) {
      if (now - at < QUIET_MS) break;
      this.#writes.delete(key);
    }
    this.#writes.delete(idOrName);
    this.#writes.set(idOrName, now);
  }

  /** `unknown` while no schedule is due to have a run planned: none is active, or each was written to in the last 30 s, by us or another. */
  async look(): Promise<'alive' | 'dead' | 'unknown'> {
    const budget = this.prefect.budget(CHECK_MS);
    const deployments = await this.prefect.send(routes.recentDeployments(TAG, SAMPLE), budget);
    const ids = deployments.filter((item) => this.#shouldBePlanned(item)).map((item) => item.id);
    if (ids.length === 0) return 'unknown';
    const planned = await this.flowRuns.plannedTimes(ids, budget);
    return planned.size === ids.length ? 'alive' : 'dead';
  }

  #shouldBePlanned(deployment: WireDeployment): boolean {
    const now = this.clock.now().getTime();
    const writes = [deployment.id, deployment.name].map((key) => this.#writes.get(key) ?? 0);
    const lastWrite = Math.max(deployment.updated.getTime(), ...writes);
    return !deployment.paused && now - lastWrite >= QUIET_MS && this.#isDueSoon(deployment);
  }

  #isDueSoon(deployment: WireDeployment): boolean {
    const { timetable } = deploymentOf(deployment);
    if (timetable === null) return false;
    const now = this.clock.now();
    const next = nextFire(timetable.cron, timetable.timezone, now);
    return next !== null && next.getTime() - now.getTime() < HORIZON_MS;
  }
}

/** `null`: never, or in a form that only Prefect understands. */
function nextFire(cron: string, timezone: string, after: Date): Date | null {
  try {
    return new Cron(cron, { timezone, paused: true, mode: '5-part' }).nextRun(after);
  } catch {
    return null;
  }
}
