import { Injectable, Logger } from '@nestjs/common';
import { IngestionNotFound } from '@sluice/kernel';
import { rowsOf, type SqlRunner } from '@sluice/database';
import { DataSource } from 'typeorm';
import { COURTESY_MS } from './agreement';
import { messageOf } from './faults';
import type { IngestionRow } from './ingestion.entity';
import { RunCancellation } from './runs/run-cancellation';
import { TableDrops } from './table-drops';
import { TableSharing } from './table-sharing';
import { Tombstones, within } from './tombstones';
import { knownId } from './uuid';

/** Deletes an ingestion. Prefect is told, but not waited for, and an operation under way is not asked. */
@Injectable()
export class IngestionRemoval {
  private readonly logger = new Logger(IngestionRemoval.name);

  constructor(
    private readonly dataSource: DataSource,
    private readonly tombstones: Tombstones,
    private readonly sharing: TableSharing,
    private readonly drops: TableDrops,
    private readonly cancellation: RunCancellation,
  ) {}

  /** `dropTable`: its table goes too, if Sluice made it; if it cannot be dropped, nothing is deleted. */
  async remove(id: string, { dropTable }: { dropTable: boolean }): Promise<void> {
    knownId(id, (it) => new IngestionNotFound(it));
    const inPrefect = dropTable ? await this.removeWithTable(id) : await this.removeRow(id, false);
    if (inPrefect) await this.tombstones.sweep(id, COURTESY_MS);
  }

  private async removeWithTable(id: string): Promise<boolean> {
    const row = await this.prepareDrop(id);
    return this.drops.dropWith(row, () => this.removeRow(id, true));
  }

  /** What runs is to end by itself, if it can be told; whoever writes on has the table taken away. */
  private async prepareDrop(id: string): Promise<Here> {
    const row = await this.dataSource.transaction((tx) => this.assertAlone(tx, id));
    await within(COURTESY_MS, () => this.cancellation.cancelActive(id)).catch((error: unknown) => {
      this.logger.warn(`Runs of ingestion ${id} are ended without Prefect: ${messageOf(error)}`);
    });
    return row;
  }

  /** True when a tombstone was left. It stays as long as an operation under way, or a call of one that failed, may still put something into Prefect. */
  private removeRow(id: string, withTable: boolean): Promise<boolean> {
    return this.dataSource.transaction(async (tx) => {
      // The table's lock before the row, as whoever starts a run takes them.
      if (withTable) await this.assertAlone(tx, id);
      const [row] = await rowsOf<Deleted>(tx, DELETE, [id]);
      if (!row) throw new IngestionNotFound(id);
      const inPrefect = row.prefect_deployment_id !== null || row.operation_id !== null || row.is_suspected;
      if (inPrefect) await this.tombstones.place(tx, id, row.awaited_for);
      if (withTable) await this.drops.place(tx, row);
      return inPrefect;
    });
  }

  /** The table of an ingestion never changes. */
  private async assertAlone(tx: SqlRunner, id: string): Promise<Here> {
    const [row] = await rowsOf<Here>(tx, FIND, [id]);
    if (!row) throw new IngestionNotFound(id);
    await this.sharing.assertAlone(tx, row);
    return row;
  }
}

const FIND = `SELECT id, destination FROM sluice_control.ingestion WHERE id = $1 AND status <> 'provisioning'`;

const DELETE = `
DELETE FROM sluice_control.ingestion WHERE id = $1 AND status <> 'provisioning'
RETURNING id, destination, prefect_deployment_id, operation_id, drift_suspected OR late_calls_until IS NOT NULL AS is_suspected,
  greatest(0, extract(epoch FROM greatest(operation_expires_at, late_calls_until) - now()))::float8 AS awaited_for`;

type Here = Pick<IngestionRow, 'id' | 'destination'>;

type Deleted = Pick<IngestionRow, 'id' | 'destination' | 'prefect_deployment_id' | 'operation_id'> & {
  is_suspected: boolean;
  /** Seconds. */
  awaited_for: number;
};
