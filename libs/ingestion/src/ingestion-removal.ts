import { Injectable } from '@nestjs/common';
import { Conflict, IngestionNotFound } from '@sluice/kernel';
import { rowsOf, type SqlRunner } from '@sluice/database';
import { DataSource } from 'typeorm';
import { COURTESY_MS } from './agreement';
import type { IngestionRow } from './ingestion.entity';
import { LoadedData } from './loaded-data';
import { TableSharing } from './table-sharing';
import { Tombstones } from './tombstones';
import { knownId } from './uuid';

/** Deletes an ingestion. Prefect is told, but not waited for, and an operation under way is not asked. */
@Injectable()
export class IngestionRemoval {
  constructor(
    private readonly dataSource: DataSource,
    private readonly tombstones: Tombstones,
    private readonly sharing: TableSharing,
    private readonly data: LoadedData,
  ) {}

  /** `dropTable`: its table goes too, if Sluice made it; if it cannot be dropped, nothing is deleted. */
  async remove(id: string, { dropTable }: { dropTable: boolean }): Promise<void> {
    knownId(id, (it) => new IngestionNotFound(it));
    if (await this.removeRow(id, dropTable)) await this.tombstones.sweep(id, COURTESY_MS);
  }

  /** True when a tombstone was left. It stays as long as an operation under way may still put something into Prefect. */
  private removeRow(id: string, dropTable: boolean): Promise<boolean> {
    return this.dataSource.transaction(async (tx) => {
      const [row] = await rowsOf<Deleted>(tx, DELETE, [id]);
      if (!row) throw new IngestionNotFound(id);
      const inPrefect = row.prefect_deployment_id !== null || row.operation_id !== null || row.drift_suspected;
      if (inPrefect) await this.tombstones.place(tx, id, row.claimed_for);
      if (dropTable) await this.dropTable(tx, row);
      return inPrefect;
    });
  }

  /** Last in the transaction: what fails here brings the row back, and no run can begin meanwhile. */
  private async dropTable(tx: SqlRunner, row: Deleted): Promise<void> {
    await this.sharing.assertAlone(tx, row);
    if ((await this.data.dropTable(row)) !== 'run_active') return;
    throw new Conflict(
      `A run of ingestion ${row.id} is writing into its table, so nothing was deleted. Cancel the run first, or leave drop_table out.`,
    );
  }
}

const DELETE = `
DELETE FROM sluice_control.ingestion WHERE id = $1 AND status <> 'provisioning'
RETURNING id, destination, prefect_deployment_id, operation_id, drift_suspected,
  greatest(0, coalesce(extract(epoch FROM operation_expires_at - now()), 0))::float8 AS claimed_for`;

type Deleted = Pick<
  IngestionRow,
  'id' | 'destination' | 'prefect_deployment_id' | 'operation_id' | 'drift_suspected'
> & {
  claimed_for: number;
};
