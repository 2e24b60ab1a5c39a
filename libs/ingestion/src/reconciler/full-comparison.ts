import { Inject, Injectable } from '@nestjs/common';
import { Clock, CONFIG, type Config } from '@sluice/kernel';
import { OrchestrationGateway } from '@sluice/orchestration-gateway';
import { WholeComparison } from './comparison';
import { DriftRecord } from './drift-record';
import type { ReconcilerStep } from './step';

/** Compares everything from time to time and notes what differs; the steps after it mend that, a few at a time. */
@Injectable()
export class FullComparison implements ReconcilerStep {
  readonly name = 'comparison';
  private readonly everyMs: number;
  /** In memory: whoever leads next compares at once. */
  private due = -Infinity;

  constructor(
    @Inject(CONFIG) config: Config,
    private readonly clock: Clock,
    private readonly gateway: OrchestrationGateway,
    private readonly comparison: WholeComparison,
    private readonly record: DriftRecord,
  ) {
    this.everyMs = config.SLUICE_RECONCILE_SECONDS * 1_000;
  }

  async run(stop?: AbortSignal): Promise<string[]> {
    if (!this.gateway.initialized || this.clock.elapsed() < this.due) return [];
    const news = await this.record.keep(await this.comparison.run(await this.record.forced(), stop), false);
    this.due = this.clock.elapsed() + this.everyMs;
    return news;
  }
}
