import { Injectable } from '@nestjs/common';
import { OrchestrationGateway } from '@sluice/orchestration-gateway';
import { type Settled, UnsentRuns } from '../runs/unsent-runs';
import type { ReconcilerStep } from './step';

const PER_PASS = 20;

/** Runs whose API process died while it handed them to Prefect. */
@Injectable()
export class ForgottenRuns implements ReconcilerStep {
  readonly name = 'forgotten runs';

  constructor(
    private readonly gateway: OrchestrationGateway,
    private readonly unsent: UnsentRuns,
  ) {}

  async run(): Promise<string[]> {
    if (!this.gateway.initialized) return [];
    const forgotten = await this.unsent.forgotten(PER_PASS);
    if (forgotten.length === 0) return [];
    return [...(await this.unsent.settle(forgotten))].flatMap(([id, settled]) => told(id, settled));
  }
}

function told(runId: string, settled: Settled): string[] {
  if (settled === 'changed') return [];
  if (settled === 'failed') return [`Ended run ${runId} as failed: it was never handed to Prefect`];
  return [`Wrote down flow run ${settled.id} of run ${runId}: the process that made it died`];
}
