import { Injectable } from '@nestjs/common';
import { rowsOf } from '@sluice/database';
import { OrchestrationGateway } from '@sluice/orchestration-gateway';
import { DataSource } from 'typeorm';
import { deploymentSpec } from '../deployment-steps';
import { type Claim, OperationClaims } from '../operation-claims';
import type { ReconcilerStep } from './step';

const A_FEW = 5;

const SUSPECTED = `
SELECT id FROM sluice_control.ingestion WHERE drift_suspected AND operation_id IS NULL AND status <> 'provisioning'
ORDER BY random() LIMIT $1`;

const CLEAR = `
UPDATE sluice_control.ingestion SET drift_suspected = false, prefect_deployment_id = $3 WHERE id = $1 AND operation_id = $2`;

/** Ingestions whose last operation could not be brought to an end in Prefect: the row wins, since its caller never got a 200. */
@Injectable()
export class SuspectedDrift implements ReconcilerStep {
  readonly name = 'suspected drift';

  constructor(
    private readonly dataSource: DataSource,
    private readonly gateway: OrchestrationGateway,
    private readonly claims: OperationClaims,
  ) {}

  async run(): Promise<string[]> {
    if (!this.gateway.initialized) return [];
    const done: string[] = [];
    for (const { id } of await rowsOf<{ id: string }>(this.dataSource, SUSPECTED, [A_FEW])) {
      done.push(await this.claims.hold(id, 'repair', (claim) => this.repair(claim)));
    }
    return done;
  }

  private async repair(claim: Claim): Promise<string> {
    const { id, prefect_deployment_id } = claim.row;
    if (!prefect_deployment_id) {
      await this.gateway.removeDeployment(id);
      await this.clear(claim, null);
      return `Removed the deployment of ingestion ${id}, which has no schedule`;
    }
    const spec = deploymentSpec(claim.row);
    const found = await this.gateway.changeDeployment(prefect_deployment_id, spec);
    await this.clear(claim, found ? prefect_deployment_id : (await this.gateway.upsertDeployment(spec)).id);
    return `${found ? 'Compared' : 'Made again'} the deployment of ingestion ${id}: it is as the ingestion says`;
  }

  private async clear(claim: Claim, deploymentId: string | null): Promise<void> {
    await this.dataSource.query(CLEAR, [claim.row.id, claim.operationId, deploymentId]);
  }
}
