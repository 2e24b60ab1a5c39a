import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Conflict, NameTaken } from '@sluice/kernel';
import { rowsOf } from '@sluice/database';
import { DataSource, type QueryDeepPartialEntity } from 'typeorm';
import type { Draft } from './drafting';
import { takenIndex } from './faults';
import type { Hold } from './idempotency-keys';
import { Ingestion, type IngestionRow } from './ingestion.entity';
import { CLAIM_SECONDS, type Claim } from './operation-claims';
import { TableSharing } from './table-sharing';
import { Tombstones } from './tombstones';

export type NewIngestion = Draft & Pick<IngestionRow, 'id'>;

/** The rows of ingestions that are being created. Errors of both ways to make one: `NameTaken`, `Conflict`. */
@Injectable()
export class NewIngestions {
  constructor(
    private readonly dataSource: DataSource,
    private readonly sharing: TableSharing,
    private readonly tombstones: Tombstones,
  ) {}

  draft(row: NewIngestion, hold: Hold): Promise<IngestionRow> {
    return this.insert({ ...row, status: 'draft' }, hold);
  }

  /** Readers do not see it. */
  async provision(draft: NewIngestion, hold: Hold): Promise<Claim> {
    const operationId = randomUUID();
    const operation_expires_at = () => `now() + interval '${CLAIM_SECONDS} seconds'`;
    const claimed = { operation: 'create', operation_id: operationId, operation_expires_at } as const;
    const row = await this.insert({ ...draft, status: 'provisioning', ...claimed }, hold);
    return { operationId, operation: 'create', row, driftSuspected: false };
  }

  /** The one an earlier call has made; `null`: none. Errors: `Conflict`, nobody knows yet. */
  async made(id: string): Promise<IngestionRow | null> {
    const sql = `SELECT * FROM sluice_control.ingestion WHERE id = $1`;
    const [row] = await rowsOf<IngestionRow>(this.dataSource, sql, [id]);
    if (row?.status === 'provisioning') throw new Conflict(UNDER_WAY);
    return row ?? null;
  }

  /** The row goes, a tombstone stays, due after so many seconds. */
  async takeBack(id: string, afterSeconds: number): Promise<void> {
    await this.dataSource.transaction(async (tx) => {
      await tx.query(`DELETE FROM sluice_control.ingestion WHERE id = $1`, [id]);
      await this.tombstones.place(tx, id, afterSeconds);
    });
  }

  private async insert(
    row: NewIngestion & Omit<QueryDeepPartialEntity<Ingestion>, keyof NewIngestion>,
    hold: Hold,
  ): Promise<IngestionRow> {
    try {
      return await this.dataSource.transaction(async (tx) => {
        await hold.assert(tx);
        await this.sharing.assertMayJoin(tx, row);
        const query = tx.createQueryBuilder().insert().into(Ingestion);
        const values = row as QueryDeepPartialEntity<Ingestion>;
        return ((await query.values(values).returning('*').execute()).raw as [IngestionRow])[0];
      });
    } catch (error) {
      throw takenIndex(error) === 'ingestion_name' ? new NameTaken(row.name) : error;
    }
  }
}

const UNDER_WAY = 'The ingestion of this Idempotency-Key is still being created. Try again in a moment.';
