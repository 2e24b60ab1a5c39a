import { Inject, Injectable, Logger } from '@nestjs/common';
import { OrchestrationGateway } from '@sluice/orchestration-gateway';
import { FailingSteps } from './failing-steps';
import { type ReconcilerStep, untilStopped } from './step';

/** The steps of a pass, in their order: `ReconcilerStep[]`. */
export const RECONCILER_STEPS = Symbol('RECONCILER_STEPS');

/** Brings the control database and Prefect together again, step by step. A step that fails does not stop the others. */
@Injectable()
export class Reconciler {
  private readonly logger = new Logger(Reconciler.name);

  private readonly failing: FailingSteps;

  constructor(
    @Inject(RECONCILER_STEPS) private readonly steps: readonly ReconcilerStep[],
    gateway: OrchestrationGateway,
  ) {
    this.failing = new FailingSteps(gateway);
  }

  /** One pass. Resolves with a sentence for each thing done; never rejects. Only for the one process that leads. `stop`: ends it after the call to Prefect under way. */
  async runOnce(stop?: AbortSignal): Promise<string[]> {
    const done: string[] = [];
    for (const step of untilStopped(this.steps, stop)) done.push(...(await this.take(step, stop)));
    return done;
  }

  private async take(step: ReconcilerStep, stop?: AbortSignal): Promise<string[]> {
    if (step.isDue === false) return [];
    try {
      const done = await step.run(stop);
      for (const sentence of done) this.logger.log(sentence);
      this.failing.worked(step.name);
      return done;
    } catch (error) {
      if (stop?.aborted) return [];
      this.failing.failed(step.name, error);
      return [];
    }
  }
}
