import { Injectable, Logger } from '@nestjs/common';
import { Conflict, IngestionNotFound, OrchestrationUnavailable } from '@sluice/kernel';
import { rowsOf } from '@sluice/database';
import { type HeldDeployment, OrchestrationGateway } from '@sluice/orchestration-gateway';
import { DataSource } from 'typeorm';
import { deploymentSpec } from '../deployment-steps';
import { messageOf } from '../faults';
import { type Claim, CLAIM_SECONDS, OperationClaims } from '../operation-claims';
import { type ReconcilerStep, untilStopped } from './step';

/** More than of what is removed: bringing a deployment to its row takes nothing away. */
const PER_PASS = 20;
const REMOVALS_PER_PASS = 5;

/** At random, so that some that cannot be mended do not hide the others. */
const SUSPECTED = `
WITH due AS (
  SELECT id, prefect_deployment_id IS NULL AS removal, row_number() OVER (PARTITION BY prefect_deployment_id IS NULL ORDER BY random()) AS place
  FROM sluice_control.ingestion WHERE (drift_suspected OR late_calls_until <= now()) AND operation_id IS NULL AND status <> 'provisioning'
)
SELECT id FROM due WHERE place <= CASE WHEN removal THEN ${REMOVALS_PER_PASS} ELSE ${PER_PASS} END`;

/** What came before the last call can arrive says nothing of the time after it: then it is compared once more. */
const CLEAR = `
UPDATE sluice_control.ingestion SET drift_suspected = false, prefect_deployment_id = $3,
  late_calls_until = CASE WHEN late_calls_until > operation_expires_at - make_interval(secs => ${CLAIM_SECONDS}) THEN late_calls_until END
WHERE id = $1 AND operation_id = $2`;

/** Ingestions that may differ from their deployment: the last operation could not be brought to an end, or a comparison saw it. The row wins. */
@Injectable()
export class SuspectedDrift implements ReconcilerStep {
  readonly name = 'suspected drift';
  private readonly logger = new Logger(SuspectedDrift.name);

  constructor(
    private readonly dataSource: DataSource,
    private readonly gateway: OrchestrationGateway,
    private readonly claims: OperationClaims,
  ) {}

  async run(stop?: AbortSignal): Promise<string[]> {
    if (!this.gateway.initialized) return [];
    const suspected = await rowsOf<{ id: string }>(this.dataSource, SUSPECTED);
    const done: string[] = [];
    for (const { id } of untilStopped(suspected, stop)) done.push(...(await this.mend(id, stop)));
    return done;
  }

  /** One that is being operated on, cannot be mended or is left by a stop keeps its mark and does not stop the others. Errors: `OrchestrationUnavailable`. */
  private async mend(id: string, stop?: AbortSignal): Promise<string[]> {
    try {
      return [await this.claims.hold(id, 'repair', (claim) => this.repair(claim, stop))];
    } catch (error) {
      if (error instanceof OrchestrationUnavailable) throw error;
      if (!(error instanceof Conflict || error instanceof IngestionNotFound || stop?.aborted))
        this.logger.warn(
          `Deployment of ingestion ${id} cannot be brought to what the ingestion says: ${messageOf(error)}`,
        );
      return [];
    }
  }

  /** A repair that failed may arrive late like any other call. */
  private async repair(claim: Claim, stop?: AbortSignal): Promise<string> {
    claim.driftSuspected = true;
    const sentence = await this.compare(claim, stop);
    claim.driftSuspected = false;
    return sentence;
  }

  private async compare(claim: Claim, stop?: AbortSignal): Promise<string> {
    const { id, prefect_deployment_id } = claim.row;
    const [held] = await this.gateway.deploymentsOf([id]);
    stop?.throwIfAborted();
    if (held?.owner === 'other') {
      await this.clear(claim, prefect_deployment_id);
      return `Left the deployment of ingestion ${id} alone: another installation has marked it`;
    }
    if (prefect_deployment_id) return this.bring(claim, { deploymentId: prefect_deployment_id, held }, stop);
    if (held) await this.gateway.removeDeployment(id);
    await this.clear(claim, null);
    return `${held ? 'Removed the' : 'There is no'} deployment of ingestion ${id}, which has no schedule`;
  }

  /** `held`: what Prefect has under its name, maybe with another id. */
  private async bring(
    claim: Claim,
    { deploymentId, held }: { deploymentId: string; held: HeldDeployment | undefined },
    stop?: AbortSignal,
  ): Promise<string> {
    const spec = deploymentSpec(claim.row);
    const found = await this.gateway.changeDeployment(deploymentId, spec);
    if (!found) stop?.throwIfAborted();
    await this.clear(claim, found ? deploymentId : (await this.gateway.upsertDeployment(spec)).id);
    const of = `the deployment of ingestion ${claim.row.id}`;
    if (!found) return held ? `Recorded the new id of ${of}` : `Made ${of} again`;
    const changed = held?.differences(spec).map(({ field }) => field) ?? [];
    return changed.length > 0 ? `Changed ${of}: ${changed.join(', ')}` : `Compared ${of}: it was as the ingestion says`;
  }

  private async clear(claim: Claim, deploymentId: string | null): Promise<void> {
    await this.dataSource.query(CLEAR, [claim.row.id, claim.operationId, deploymentId]);
  }
}
