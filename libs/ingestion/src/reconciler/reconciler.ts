import { Injectable, Logger } from '@nestjs/common';
import { DomainError } from '@sluice/kernel';
import { messageOf } from '../faults';
import { DueTombstones } from './due-tombstones';
import { ExpiredClaims } from './expired-claims';
import { LostRuns } from './lost-runs';
import { OrphanedFlowRuns } from './orphaned-flow-runs';
import { SilentRuns } from './silent-runs';
import type { ReconcilerStep } from './step';
import { SuspectedDrift } from './suspected-drift';

/** Brings the control database and Prefect together again, step by step. A step that fails does not stop the others. */
@Injectable()
export class Reconciler {
  private readonly logger = new Logger(Reconciler.name);
  private readonly steps: readonly ReconcilerStep[];

  constructor(
    claims: ExpiredClaims,
    drift: SuspectedDrift,
    tombstones: DueTombstones,
    silent: SilentRuns,
    lost: LostRuns,
    orphaned: OrphanedFlowRuns,
  ) {
    this.steps = [claims, drift, tombstones, silent, lost, orphaned];
  }

  /** One pass. Resolves with a sentence for each thing done; never rejects. Only for the one process that leads. */
  async runOnce(): Promise<string[]> {
    const done: string[] = [];
    for (const step of this.steps) done.push(...(await this.take(step)));
    return done;
  }

  private async take(step: ReconcilerStep): Promise<string[]> {
    try {
      const done = await step.run();
      for (const sentence of done) this.logger.log(sentence);
      return done;
    } catch (error) {
      const level = error instanceof DomainError && error.retry === 'later' ? 'debug' : 'warn';
      this.logger[level](`Reconciler, ${step.name}: ${messageOf(error)}`);
      return [];
    }
  }
}
