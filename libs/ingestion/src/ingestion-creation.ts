import { randomUUID } from 'node:crypto';
import { Injectable, Logger } from '@nestjs/common';
import { Conflict, NameTaken, OrchestrationUnavailable } from '@sluice/kernel';
import { rowsOf } from '@sluice/database';
import { OrchestrationGateway } from '@sluice/orchestration-gateway';
import { DataSource, type QueryDeepPartialEntity } from 'typeorm';
import { COURTESY_MS } from './agreement';
import { deploymentSpec } from './deployment-steps';
import { type Draft, Drafting } from './drafting';
import { mayHaveArrived, messageOf, saying, SENTENCE, takenIndex } from './faults';
import { Ingestion, type IngestionRow } from './ingestion.entity';
import type { CreateIngestion } from './inputs';
import { CLAIM_SECONDS, type Claim, OperationClaims } from './operation-claims';
import { ticksFromNow } from './ticks-seen';
import { TableSharing } from './table-sharing';
import { Tombstones } from './tombstones';

/** A call that timed out may still arrive in Prefect: its deployment is looked for once more after this many seconds. */
const LATE_ARRIVAL_SECONDS = 15;

const RELEASED = { operation: null, operation_id: null, operation_expires_at: null } as const;

/** Makes an ingestion, with its deployment if it has a schedule: wholly, or not at all. */
@Injectable()
export class IngestionCreation {
  private readonly logger = new Logger(IngestionCreation.name);

  constructor(
    private readonly dataSource: DataSource,
    private readonly gateway: OrchestrationGateway,
    private readonly claims: OperationClaims,
    private readonly tombstones: Tombstones,
    private readonly drafting: Drafting,
    private readonly sharing: TableSharing,
  ) {}

  async create(input: CreateIngestion, idempotencyKey?: string): Promise<IngestionRow> {
    const id = randomUUID();
    const draft = this.drafting.whole(id, input);
    const row = { id, ...draft, idempotency_key: null as string | null, idempotency_digest: null as string | null };
    if (idempotencyKey === undefined) return this.make(row);
    return this.once({ ...row, idempotency_key: idempotencyKey, idempotency_digest: this.drafting.digest(input) });
  }

  /** A key seen before answers what was made then. A key whose first call failed is free again. */
  private async once(row: NewIngestion): Promise<IngestionRow> {
    const before = await this.replayed(row);
    if (before) return before;
    return this.make(row).catch(async (error: unknown) => {
      if (!(error instanceof NameTaken || error instanceof Conflict) && takenIndex(error) === null) throw error;
      const meanwhile = await this.replayed(row);
      if (meanwhile) return meanwhile;
      throw error;
    });
  }

  private async replayed(row: NewIngestion): Promise<IngestionRow | null> {
    const [before] = await rowsOf<IngestionRow>(
      this.dataSource,
      `SELECT * FROM sluice_control.ingestion WHERE idempotency_key = $1`,
      [row.idempotency_key],
    );
    if (!before) return null;
    if (before.idempotency_digest !== row.idempotency_digest) {
      throw new Conflict(`Idempotency-Key "${row.idempotency_key}" came with another body before. Choose a new key.`);
    }
    if (before.status !== 'provisioning') return before;
    throw new Conflict(
      `The call with Idempotency-Key "${row.idempotency_key}" is still under way. Try again in a moment.`,
    );
  }

  private make(row: NewIngestion): Promise<IngestionRow> {
    return row.schedule ? this.scheduled(row) : this.insert({ ...row, status: 'draft' });
  }

  private async scheduled(draft: NewIngestion): Promise<IngestionRow> {
    await saying(SENTENCE.create, () => this.gateway.assertInitialized());
    const claim = await this.provision(draft);
    try {
      return await this.deploy(claim);
    } catch (error) {
      await this.takeBack(claim.row.id, error);
      throw error;
    }
  }

  private async provision(draft: NewIngestion): Promise<Claim> {
    const operationId = randomUUID();
    const operation_expires_at = new Date(Date.now() + CLAIM_SECONDS * 1000);
    const claimed = { operation: 'create', operation_id: operationId, operation_expires_at } as const;
    const row = await this.insert({ ...draft, status: 'provisioning', ...claimed });
    return { operationId, operation: 'create', row, driftSuspected: false };
  }

  private async deploy(claim: Claim): Promise<IngestionRow> {
    const deployment = await saying(SENTENCE.create, () => this.gateway.upsertDeployment(deploymentSpec(claim.row)));
    const active = { status: 'active', prefect_deployment_id: deployment.id, ...ticksFromNow() } as const;
    const row = await this.claims.save(claim, { ...active, ...RELEASED });
    if (row) return row;
    throw new OrchestrationUnavailable('timeout', SENTENCE.create);
  }

  private async insert(
    row: NewIngestion & Pick<IngestionRow, 'status'> & Partial<IngestionRow>,
  ): Promise<IngestionRow> {
    try {
      return await this.dataSource.transaction(async (tx) => {
        await this.sharing.assertMayJoin(tx, row);
        const query = tx.createQueryBuilder().insert().into(Ingestion);
        const values = row as QueryDeepPartialEntity<Ingestion>;
        return ((await query.values(values).returning('*').execute()).raw as [IngestionRow])[0];
      });
    } catch (error) {
      throw takenIndex(error) === 'ingestion_name' ? new NameTaken(row.name) : error;
    }
  }

  /** The row goes, a tombstone stays: what Prefect has (or will have, of a call that timed out) is removed. */
  private async takeBack(id: string, cause: unknown): Promise<void> {
    const late = cause instanceof OrchestrationUnavailable && mayHaveArrived(cause);
    try {
      await this.dataSource.transaction(async (tx) => {
        await tx.query(`DELETE FROM sluice_control.ingestion WHERE id = $1`, [id]);
        await this.tombstones.place(tx, id, late ? LATE_ARRIVAL_SECONDS : 0);
      });
      if (!(cause instanceof OrchestrationUnavailable)) await this.tombstones.sweep(id, COURTESY_MS);
    } catch (error) {
      this.logger.warn(`Unfinished ingestion ${id} is left to the reconciler: ${messageOf(error)}`);
    }
  }
}

type NewIngestion = Draft & Pick<IngestionRow, 'id' | 'idempotency_key' | 'idempotency_digest'>;
