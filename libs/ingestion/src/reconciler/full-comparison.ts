import { Inject, Injectable } from '@nestjs/common';
import { Clock, CONFIG, type Config } from '@sluice/kernel';
import { OrchestrationGateway } from '@sluice/orchestration-gateway';
import { WholeComparison } from './comparison';
import { DriftRecord } from './drift-record';
import type { ReconcilerStep } from './step';

/** After a comparison that failed, ms; twice as long after each further one. Prefect goes on making lists that nobody waits for any more. */
const FIRST_PAUSE_MS = 10_000;

/** Compares everything from time to time and notes what differs; the steps after it mend that, a few at a time. */
@Injectable()
export class FullComparison implements ReconcilerStep {
  readonly name = 'comparison';
  private readonly everyMs: number;
  /** In memory: whoever leads next compares at once. */
  private due = -Infinity;
  private failures = 0;

  constructor(
    @Inject(CONFIG) config: Config,
    private readonly clock: Clock,
    private readonly gateway: OrchestrationGateway,
    private readonly comparison: WholeComparison,
    private readonly record: DriftRecord,
  ) {
    this.everyMs = config.SLUICE_RECONCILE_SECONDS * 1_000;
  }

  get isDue(): boolean {
    return this.gateway.initialized && this.clock.elapsed() >= this.due;
  }

  async run(stop?: AbortSignal): Promise<string[]> {
    if (!this.isDue) return [];
    try {
      const news = await this.record.keep(await this.comparison.run(await this.record.forced(), stop), false);
      this.failures = 0;
      this.due = this.clock.elapsed() + this.everyMs;
      return news;
    } catch (error) {
      this.due = this.clock.elapsed() + Math.min(this.everyMs, FIRST_PAUSE_MS * 2 ** this.failures);
      this.failures += 1;
      throw error;
    }
  }
}
