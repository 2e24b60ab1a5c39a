import type { Clock } from '@sluice/kernel';
import { TAG } from '../names';
import type { PrefectClient } from '../prefect/client';
import * as routes from '../prefect/routes';
import type { WireDeployment } from '../prefect/wire';
import type { FlowRuns } from './flow-runs';

const CHECK_MS = 2_000;
/** Prefect plans anew within 5 s of a change; until well after that a missing plan proves nothing. */
const QUIET_MS = 30_000;
/** So many deployments tell enough. */
const SAMPLE = 100;

/**
 * Whether Prefect's scheduler lives, judged by its work: an active schedule has a future run. Prefect's own `/health` and `/ready` stay
 * green when it is dead.
 */
export class SchedulerCheck {
  #lastWrite = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly prefect: PrefectClient,
    private readonly flowRuns: FlowRuns,
    private readonly clock: Clock,
  ) {}

  /** To be called after each of our own writes to a deployment. */
  wrote(): void {
    this.#lastWrite = this.clock.now().getTime();
  }

  /** `unknown` while nothing is scheduled, and for 30 s after a write, ours or another's. */
  async look(): Promise<'alive' | 'dead' | 'unknown'> {
    const now = this.clock.now().getTime();
    if (now - this.#lastWrite < QUIET_MS) return 'unknown';
    const budget = this.prefect.budget(CHECK_MS);
    const deployments = await this.prefect.send(routes.filterDeployments(TAG, 0, SAMPLE), budget);
    const ticking = deployments.filter((item) => isTicking(item) && now - item.updated.getTime() >= QUIET_MS);
    if (ticking.length === 0) return 'unknown';
    const ids = ticking.map((item) => item.id);
    const planned = await this.flowRuns.plannedTimes(ids, budget);
    return planned.size === ids.length ? 'alive' : 'dead';
  }
}

function isTicking(deployment: WireDeployment): boolean {
  return !deployment.paused && deployment.schedules.some((schedule) => schedule.active);
}
