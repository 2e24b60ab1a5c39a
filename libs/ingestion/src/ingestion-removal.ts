import { Injectable } from '@nestjs/common';
import { IngestionNotFound } from '@sluice/kernel';
import { rowsOf } from '@sluice/database';
import { DataSource } from 'typeorm';
import { COURTESY_MS } from './agreement';
import type { IngestionRow } from './ingestion.entity';
import { Tombstones } from './tombstones';
import { knownId } from './uuid';

/** Deletes an ingestion. Prefect is told, but not waited for, and an operation under way is not asked. */
@Injectable()
export class IngestionRemoval {
  constructor(
    private readonly dataSource: DataSource,
    private readonly tombstones: Tombstones,
  ) {}

  async remove(id: string): Promise<void> {
    knownId(id, (it) => new IngestionNotFound(it));
    if (await this.removeRow(id)) await this.tombstones.sweep(id, COURTESY_MS);
  }

  /** True when a tombstone was left. It stays as long as an operation under way may still put something into Prefect. */
  private removeRow(id: string): Promise<boolean> {
    return this.dataSource.transaction(async (tx) => {
      const [row] = await rowsOf<Deleted>(tx, DELETE, [id]);
      if (!row) throw new IngestionNotFound(id);
      const inPrefect = row.prefect_deployment_id !== null || row.operation_id !== null || row.drift_suspected;
      if (inPrefect) await this.tombstones.place(tx, id, row.claimed_for);
      return inPrefect;
    });
  }
}

const DELETE = `
DELETE FROM sluice_control.ingestion WHERE id = $1 AND status <> 'provisioning'
RETURNING prefect_deployment_id, operation_id, drift_suspected,
  greatest(0, coalesce(extract(epoch FROM operation_expires_at - now()), 0))::float8 AS claimed_for`;

type Deleted = Pick<IngestionRow, 'prefect_deployment_id' | 'operation_id' | 'drift_suspected'> & {
  claimed_for: number;
};
