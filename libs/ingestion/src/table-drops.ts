import { Injectable, Logger } from '@nestjs/common';
import { rowsOf, type SqlRunner } from '@sluice/database';
import { DataSource } from 'typeorm';
import { messageOf } from './faults';
import type { IngestionRow } from './ingestion.entity';
import { LoadedData } from './loaded-data';

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

  /** Repeatable. False: it did not work, and the next attempt waits longer. */
  async carryOut(row: Here): Promise<boolean> {
    try {
      await this.data.dropTable(row);
    } catch (error) {
      this.logger.warn(`The table of deleted ingestion ${row.id} is still to be dropped: ${messageOf(error)}`);
      await this.dataSource.query(POSTPONE, [row.id, messageOf(error), FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS]);
      return false;
    }
    await this.forget(row.id);
    return true;
  }

  /** Never throws: an order that stays is carried out once more, and finds nothing. */
  private async forget(ingestionId: string): Promise<void> {
    const sql = `DELETE FROM sluice_control.table_drop WHERE ingestion_id = $1`;
    await this.dataSource.query(sql, [ingestionId]).catch((error: unknown) => {
      this.logger.warn(`The order to drop the table of ingestion ${ingestionId} stays: ${messageOf(error)}`);
    });
  }
}
