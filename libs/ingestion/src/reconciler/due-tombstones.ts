import { Injectable } from '@nestjs/common';
import { OrchestrationGateway } from '@sluice/orchestration-gateway';
import { Tombstones } from '../tombstones';
import { type ReconcilerStep, untilStopped } from './step';

const A_FEW = 5;
/** Nobody waits for it: as long as one request to Prefect may take. */
const PATIENCE_MS = 5_000;

/** Deployments that outlived their ingestions. */
@Injectable()
export class DueTombstones implements ReconcilerStep {
  readonly name = 'tombstones';

  constructor(
    private readonly gateway: OrchestrationGateway,
    private readonly tombstones: Tombstones,
  ) {}

  async run(stop?: AbortSignal): Promise<string[]> {
    if (!this.gateway.initialized) return [];
    const done: string[] = [];
    for (const id of untilStopped(await this.tombstones.due(A_FEW), stop)) {
      if (await this.tombstones.sweep(id, PATIENCE_MS)) done.push(`Removed the deployment of deleted ingestion ${id}`);
    }
    return done;
  }
}
