import { Injectable, Logger } from '@nestjs/common';
import { IngestionNotFound, NameTaken } from '@sluice/kernel';
import { OrchestrationGateway } from '@sluice/orchestration-gateway';
import { DataSource } from 'typeorm';
import type { DeploymentStep } from './deployment-steps';
import { messageOf, saying, takenIndex } from './faults';
import type { IngestionRow, RowChanges } from './ingestion.entity';
import { type Claim, OperationClaims } from './operation-claims';
import { Tombstones, within } from './tombstones';

/** What Prefect gets at most once the answer no longer depends on it, ms. */
export const COURTESY_MS = 2_000;

/** Changes an ingestion in Prefect first and in the database then; what fails in the second is undone in the first. */
@Injectable()
export class Agreement {
  private readonly logger = new Logger(Agreement.name);

  constructor(
    private readonly dataSource: DataSource,
    private readonly gateway: OrchestrationGateway,
    private readonly claims: OperationClaims,
    private readonly tombstones: Tombstones,
  ) {}

  /** `step` null: the database alone. `sentence`: what is said when Prefect cannot be used. */
  async change(
    claim: Claim,
    changes: RowChanges,
    step: DeploymentStep | null,
    sentence: string,
  ): Promise<IngestionRow> {
    if (!step) return this.inDatabase(claim, changes);
    const following = await this.inPrefect(claim, step, sentence);
    const row = await this.inDatabase(claim, { ...changes, ...following }, step);
    await this.afterwards(claim, step);
    return row;
  }

  /** The ingestion was deleted under the operation, which may have left something in Prefect since: delete wins. */
  async yieldToDeletion(ingestionId: string): Promise<void> {
    await this.tombstones.place(this.dataSource, ingestionId);
    await this.tombstones.sweep(ingestionId, COURTESY_MS);
  }

  private async inPrefect(claim: Claim, step: DeploymentStep, sentence: string): Promise<RowChanges> {
    await saying(sentence, () => this.gateway.assertInitialized());
    try {
      return await saying(sentence, () => step.apply());
    } catch (error) {
      // Whatever the last attempt met, an earlier one may have arrived; comparing costs the reconciler one reading.
      claim.driftSuspected = true;
      throw error;
    }
  }

  private async inDatabase(claim: Claim, changes: RowChanges, step?: DeploymentStep): Promise<IngestionRow> {
    const row = await this.claims.save(claim, changes).catch(async (error: unknown) => {
      if (step) await this.undo(claim, step);
      throw takenIndex(error) === 'ingestion_name' ? new NameTaken(changes.name ?? '') : error;
    });
    return row ?? this.lost(claim, step);
  }

  /** Drift stays suspected even when undoing worked: a database that failed may have written nevertheless. */
  private async undo(claim: Claim, step: DeploymentStep): Promise<void> {
    claim.driftSuspected = true;
    try {
      await step.undo();
    } catch (error) {
      this.logger.warn(`Change of ingestion ${claim.row.id} could not be undone in Prefect: ${messageOf(error)}`);
    }
  }

  /** Somebody deleted the ingestion, or took over a claim that had expired; the new holder then brings Prefect to the row. */
  private async lost(claim: Claim, step: DeploymentStep | undefined): Promise<never> {
    const error = await this.claims.whyNot(claim.row.id);
    if (step && error instanceof IngestionNotFound) await this.yieldToDeletion(claim.row.id);
    else if (step) await this.claims.suspectDrift(claim.row.id);
    throw error;
  }

  private async afterwards(claim: Claim, step: DeploymentStep): Promise<void> {
    try {
      await within(COURTESY_MS, (signal) => step.afterwards?.(signal) ?? Promise.resolve());
    } catch (error) {
      claim.driftSuspected = true;
      this.logger.warn(`Deployment of ingestion ${claim.row.id} is still to be removed: ${messageOf(error)}`);
    }
  }
}
