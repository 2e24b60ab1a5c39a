import { Injectable, Logger } from '@nestjs/common';
import { OrchestrationUnavailable } from '@sluice/kernel';
import { OrchestrationGateway } from '@sluice/orchestration-gateway';
import { COURTESY_MS } from './agreement';
import { deploymentSpec } from './deployment-steps';
import { Drafting } from './drafting';
import { messageOf, saying, SENTENCE } from './faults';
import { type Hold, IdempotencyKeys } from './idempotency-keys';
import type { IngestionRow } from './ingestion.entity';
import type { CreateIngestion } from './inputs';
import { type NewIngestion, NewIngestions } from './new-ingestions';
import { type Claim, LATE_ARRIVAL_SECONDS, OperationClaims } from './operation-claims';
import { ticksFromNow } from './runs/ticks-seen';
import { Tombstones } from './tombstones';

const RELEASED = { operation: null, operation_id: null, operation_expires_at: null } as const;

/** Makes an ingestion, with its deployment if it has a schedule: wholly, or not at all. */
@Injectable()
export class IngestionCreation {
  private readonly logger = new Logger(IngestionCreation.name);

  constructor(
    private readonly keys: IdempotencyKeys,
    private readonly drafting: Drafting,
    private readonly rows: NewIngestions,
    private readonly gateway: OrchestrationGateway,
    private readonly claims: OperationClaims,
    private readonly tombstones: Tombstones,
  ) {}

  /** Of the calls with one `idempotencyKey` one makes it; the others answer it as it is then. */
  create(input: CreateIngestion, idempotencyKey?: string): Promise<IngestionRow> {
    return this.keys.once<IngestionRow>(
      { operation: 'create', key: idempotencyKey, body: input },
      { make: (hold) => this.make(input, hold), made: (id) => this.rows.made(id) },
    );
  }

  private async make(input: CreateIngestion, hold: Hold): Promise<IngestionRow> {
    const row = { id: hold.resourceId, ...this.drafting.whole(hold.resourceId, input) };
    return row.schedule ? this.scheduled(row, hold) : this.rows.draft(row, hold);
  }

  private async scheduled(draft: NewIngestion, hold: Hold): Promise<IngestionRow> {
    await saying(SENTENCE.create, () => this.gateway.assertInitialized());
    const claim = await this.rows.provision(draft, hold);
    try {
      return await this.deploy(claim);
    } catch (error) {
      await this.takeBack(claim.row.id, error);
      throw error;
    }
  }

  private async deploy(claim: Claim): Promise<IngestionRow> {
    const deployment = await saying(SENTENCE.create, () => this.gateway.upsertDeployment(deploymentSpec(claim.row)));
    const active = { status: 'active', prefect_deployment_id: deployment.id, ...ticksFromNow() } as const;
    const row = await this.claims.save(claim, { ...active, ...RELEASED });
    if (row) return row;
    throw new OrchestrationUnavailable('timeout', SENTENCE.create);
  }

  /** What Prefect has (or will have, of a call that timed out) is removed by the tombstone. */
  private async takeBack(id: string, cause: unknown): Promise<void> {
    // Whatever the last attempt met, an earlier one may have arrived.
    const late = cause instanceof OrchestrationUnavailable;
    try {
      await this.rows.takeBack(id, late ? LATE_ARRIVAL_SECONDS : 0);
      if (!late) await this.tombstones.sweep(id, COURTESY_MS);
    } catch (error) {
      this.logger.warn(`Unfinished ingestion ${id} is left to the reconciler: ${messageOf(error)}`);
    }
  }
}
