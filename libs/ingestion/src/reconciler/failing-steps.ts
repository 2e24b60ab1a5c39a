import { Logger } from '@nestjs/common';
import { OrchestrationUnavailable } from '@sluice/kernel';
import type { OrchestrationGateway } from '@sluice/orchestration-gateway';
import { messageOf } from '../faults';

/** Of failures in a row for want of an answer while Prefect counts as usable. An outage that is only just beginning is noticed before. */
const PATIENCE = 3;

/** Tells once that a step begins to fail, and once that it works again. That Prefect is away is told elsewhere. */
export class FailingSteps {
  private readonly logger = new Logger('Reconciler');
  /** Failures in a row of each. */
  private readonly failures = new Map<string, number>();
  private readonly told = new Set<string>();

  constructor(private readonly prefect: Pick<OrchestrationGateway, 'initialized'>) {}

  failed(step: string, error: unknown): void {
    const said = `Reconciler, ${step}: ${messageOf(error)}`;
    if (!this.isWorthTelling(step, error)) return this.logger.debug(said);
    this.told.add(step);
    this.logger.warn(`${said} It is tried again; this is told once, until it works again.`);
  }

  /** While Prefect is away a step that needs it does nothing, and so proves nothing. */
  worked(step: string): void {
    if (!this.prefect.initialized) return;
    this.failures.delete(step);
    if (this.told.delete(step)) this.logger.log(`Reconciler, ${step}: it works again.`);
  }

  private isWorthTelling(step: string, error: unknown): boolean {
    const isForPrefect = error instanceof OrchestrationUnavailable;
    if (this.told.has(step) || (isForPrefect && !this.prefect.initialized)) return false;
    const failures = (this.failures.get(step) ?? 0) + 1;
    this.failures.set(step, failures);
    return !isForPrefect || failures >= PATIENCE;
  }
}
