import { Injectable } from '@nestjs/common';
import { DueOrphans } from './due-orphans';
import { DueTombstones } from './due-tombstones';
import { ExpiredClaims } from './expired-claims';
import type { ReconcilerStep } from './step';
import { SuspectedDrift } from './suspected-drift';

/** The steps that bring Prefect to the rows. Any process may take them at any time: each thing is claimed, or asked again before it is done. */
@Injectable()
export class DriftRepair {
  readonly steps: readonly ReconcilerStep[];

  constructor(claims: ExpiredClaims, drift: SuspectedDrift, tombstones: DueTombstones, orphans: DueOrphans) {
    this.steps = [claims, drift, tombstones, orphans];
  }

  /** One pass, a few of each kind; a sentence for each thing done. Errors: `OrchestrationUnavailable`. */
  async run(): Promise<string[]> {
    const done: string[] = [];
    for (const step of this.steps) done.push(...(await step.run()));
    return done;
  }
}
