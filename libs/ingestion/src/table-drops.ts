import { Injectable, Logger } from '@nestjs/common';
import { Conflict } from '@sluice/kernel';
import { rowsOf, type SqlRunner } from '@sluice/database';
import { DataSource } from 'typeorm';
import { messageOf } from './faults';
import type { IngestionRow } from './ingestion.entity';
import { LoadedData } from './loaded-data';
import { TableSharing } from './table-sharing';

const FIRST_PAUSE_SECONDS = 5;
const LONGEST_PAUSE_SECONDS = 300;
/** As long as the call that placed it takes to commit in the destination. */
const OWN_SECONDS = 5;

type Here = Pick<IngestionRow, 'id' | 'destination'>;

const PLACE = `
INSERT INTO sluice_control.table_drop (ingestion_id, destination, next_attempt_at) VALUES ($1, $2, now() + make_interval(secs => $3))`;

const DUE = `
SELECT ingestion_id AS id, destination FROM sluice_control.table_drop
WHERE next_attempt_at <= now() ORDER BY next_attempt_at, ingestion_id LIMIT $1`;

const STANDS = `SELECT FROM sluice_control.table_drop WHERE ingestion_id = $1 FOR UPDATE`;

const POSTPONE = `
UPDATE sluice_control.table_drop SET attempts = attempts + 1, last_error = $2,
  next_attempt_at = now() + make_interval(secs => least($3 * 2 ^ least(attempts, 10), $4))
WHERE ingestion_id = $1`;

/**
 * Orders to drop the table of an ingestion, which is deleted in the same transaction. It commits just before the destination does, so an order
 * stays only where a process died between the two, or the destination went away. Until it is carried out no ingestion joins the table (`TableSharing`).
 */
@Injectable()
export class TableDrops {
  private readonly logger = new Logger(TableDrops.name);

  constructor(
    private readonly dataSource: DataSource,
    private readonly data: LoadedData,
    private readonly sharing: TableSharing,
  ) {}

  /**
   * The destination does all but commit, then `remove` does (it places the order), then the destination. What fails before `remove` has committed
   * leaves everything as it was: errors of `remove`, `DestinationUnavailable`. What dies or fails after that is left to the order.
   */
  async dropWith<T>(row: Here, remove: () => Promise<T>): Promise<T> {
    const removed: T[] = [];
    try {
      await this.data.dropTable(row, async () => void removed.push(await remove()));
      await this.forget(row.id);
    } catch (error) {
      if (removed.length === 0) throw error;
      this.logger.warn(`The table of deleted ingestion ${row.id} is still to be dropped: ${messageOf(error)}`);
    }
    return removed[0] as T;
  }

  async place(tx: SqlRunner, { id, destination }: Here): Promise<void> {
    await tx.query(PLACE, [id, JSON.stringify(destination), OWN_SECONDS]);
  }

  /** The ones to be carried out now, the longest waiting first. */
  due(limit: number): Promise<Here[]> {
    return rowsOf<Here>(this.dataSource, DUE, [limit]);
  }

  /** Repeatable. False: it did not work, and the next attempt waits longer; or it is not to be dropped any more. */
  async carryOut(row: Here): Promise<boolean> {
    try {
      await this.data.dropTable(row, () => this.dataSource.transaction((tx) => this.assertStands(tx, row)));
    } catch (error) {
      await this.leave(row, error);
      return false;
    }
    await this.forget(row.id);
    return true;
  }

  /**
   * Whoever read the order may have stood still since, while another carried it out and the table was made anew. Asked when the destination has
   * dropped the table but for its commit: from here on nobody else can drop that one, so it cannot be another by then. Errors: `Conflict`.
   */
  private async assertStands(tx: SqlRunner, row: Here): Promise<void> {
    await this.sharing.assertAlone(tx, row);
    if ((await rowsOf(tx, STANDS, [row.id])).length === 0) throw new Conflict('Somebody else has dropped it.');
  }

  private async leave({ id }: Here, error: unknown): Promise<void> {
    if (error instanceof Conflict) {
      this.logger.warn(`The table of deleted ingestion ${id} is not to be dropped any more: ${messageOf(error)}`);
      return this.forget(id);
    }
    this.logger.warn(`The table of deleted ingestion ${id} is still to be dropped: ${messageOf(error)}`);
    await this.dataSource.query(POSTPONE, [id, messageOf(error), FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS]);
  }

  /** Never throws: an order that stays is carried out once more, and finds nothing. */
  private async forget(ingestionId: string): Promise<void> {
    const sql = `DELETE FROM sluice_control.table_drop WHERE ingestion_id = $1`;
    await this.dataSource.query(sql, [ingestionId]).catch((error: unknown) => {
      this.logger.warn(`The order to drop the table of ingestion ${ingestionId} stays: ${messageOf(error)}`);
    });
  }
}
