import type { Budget } from '../prefect/budget';
import type { PrefectClient } from '../prefect/client';
import { RefusedByPrefect } from '../prefect/failures';
import * as routes from '../prefect/routes';
import { startsRunner, withRunner, type RunnerStart } from './job-template';

const POOL_TYPE = 'process';

/** The flow and the work pool as they should be. Repeatable; writes only what is missing or different. */
export class Bootstrap {
  constructor(
    private readonly prefect: PrefectClient,
    readonly pool: string,
    private readonly start: RunnerStart,
    private readonly leavesPool = false,
  ) {}

  /** The id of the flow `run-ingestion`, made when it is missing. Never remembered: somebody may delete the flow and it comes back with another id. */
  async ensureFlow(budget: Budget): Promise<string> {
    const flow =
      (await this.prefect.find(routes.readFlow(), budget)) ?? (await this.prefect.send(routes.ensureFlow(), budget));
    return flow.id;
  }

  /** A pool of another type (docker, kubernetes) is its owner's own set-up and left alone. */
  async ensurePool(budget: Budget): Promise<void> {
    const pool = (await this.prefect.find(routes.readPool(this.pool), budget)) ?? (await this.#createPool(budget));
    if (this.leavesPool || pool.type !== POOL_TYPE || startsRunner(pool.base_job_template, this.start)) return;
    await this.prefect.send(routes.patchPool(this.pool, withRunner(pool.base_job_template, this.start)), budget);
  }

  /** Creating is no upsert: who comes second is told 409, and the pool is there. */
  async #createPool(budget: Budget) {
    const pool = { name: this.pool, type: POOL_TYPE, base_job_template: withRunner({}, this.start) };
    try {
      return await this.prefect.send(routes.createPool(pool), budget);
    } catch (error) {
      if (!(error instanceof RefusedByPrefect && error.status === 409)) throw error;
      return this.prefect.send(routes.readPool(this.pool), budget);
    }
  }
}
