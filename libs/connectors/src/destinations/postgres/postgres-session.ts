import type { Client } from 'pg';
import type { ColumnType } from '../../column';
import type { SourceEntry } from '../../sources/source';
import {
  type Batch,
  type LedgerEntry,
  type ListingCounts,
  type LoadedFile,
  LoadSession,
  type TableColumn,
  type TableName,
  type TouchedEntry,
} from '../destination';
import { commitLedger } from './ledger';
import type { Lease } from './lease';
import { asDestinationError } from './pg-errors';
import { PostgresBatch } from './postgres-batch';
import { soon } from './soon';
import { addColumnsSql, COLUMNS, createSchemaSql, createTableSql, nameOf } from './sql';
import { compare, CREATE_LISTING, FRESH, type ListingRow, stageAll, TOUCHED, toEntry } from './listing';

/** What a cancelled statement is given to end. */
const GIVE_UP_MS = 3_000;

export class PostgresSession extends LoadSession {
  override readonly lost: AbortSignal;
  private givingUp: NodeJS.Timeout | undefined;

  constructor(
    private readonly writer: Client,
    private readonly lease: Lease,
    private readonly ingestionId: string,
    private readonly runId: string,
  ) {
    super();
    this.lost = lease.lost;
  }

  override columns(table: TableName): Promise<TableColumn[] | null> {
    return this.guarded(async () => {
      const { rows } = await this.writer.query<TableColumn>(COLUMNS, [nameOf(table)]);
      return rows.length === 0 ? null : rows;
    });
  }

  override createTable(table: TableName, columns: readonly { name: string; type: ColumnType }[]): Promise<void> {
    return this.define(table, createSchemaSql(table), createTableSql(table, columns));
  }

  override addColumns(table: TableName, columns: readonly { name: string; type: ColumnType }[]): Promise<void> {
    return this.define(table, addColumnsSql(table, columns));
  }

  override stage(listing: AsyncIterable<SourceEntry>): Promise<ListingCounts> {
    return this.guarded(async () => {
      await this.writer.query(CREATE_LISTING);
      await stageAll(this.writer, listing);
      return compare(this.writer, this.ingestionId);
    });
  }

  override fresh(after: string | null, limit: number): Promise<SourceEntry[]> {
    return this.guarded(async () =>
      (await this.writer.query<ListingRow>(FRESH, [this.ingestionId, after ?? '', limit])).rows.map(toEntry),
    );
  }

  override touched(after: string | null, limit: number): Promise<TouchedEntry[]> {
    return this.guarded(async () => {
      return (await this.writer.query<TouchedEntry>(TOUCHED, [this.ingestionId, after ?? '', limit])).rows;
    });
  }

  override confirmUnchanged(entry: SourceEntry): Promise<void> {
    return this.guarded(async () => {
      const statement = 'UPDATE sluice.ledger SET fingerprint = $3 WHERE ingestion = $1 AND path = $2';
      await this.writer.query(statement, [this.ingestionId, entry.path, entry.fingerprint]);
    });
  }

  override batch(table: TableName, work: (batch: Batch) => Promise<LoadedFile[]>): Promise<void> {
    return this.guarded(async () => {
      // A deferred constraint would speak up at the end only, when nobody knows any more which file it means.
      await this.writer.query('BEGIN; SET CONSTRAINTS ALL IMMEDIATE');
      try {
        const loaded = await work(new PostgresBatch(this.writer, table));
        await commitLedger(this.writer, loaded, {
          ingestionId: this.ingestionId,
          runId: this.runId,
          fence: this.lease.fence,
        });
      } catch (error) {
        // The connection may be gone; then the server has rolled back already.
        await this.writer.query('ROLLBACK').catch(() => undefined);
        throw error;
      }
    });
  }

  override ledgerSince(after: string | null, limit: number): Promise<LedgerEntry[]> {
    return this.guarded(async () => {
      const statement = `SELECT load_id AS "loadId", path, version, rows::float8, bytes::float8, run AS "runId" FROM sluice.ledger
        WHERE ingestion = $1 AND load_id > $2 ORDER BY load_id LIMIT $3`;
      return (await this.writer.query<LedgerEntry>(statement, [this.ingestionId, after ?? '0', limit])).rows;
    });
  }

  /** Asks the server to cancel; when that does not help soon, the connection is given up, which rolls back too. */
  override async interrupt(): Promise<void> {
    this.givingUp ??= setTimeout(() => void this.writer.end().catch(() => undefined), GIVE_UP_MS);
    await soon(this.lease.interruptWriter());
  }

  override async close(): Promise<void> {
    clearTimeout(this.givingUp);
    await soon(this.writer.end());
    await this.lease.release();
  }

  /** Definitions commit by themselves and give up soon, so that no reader of the table waits for a load. */
  private define(table: TableName, ...statements: string[]): Promise<void> {
    return this.guarded(async () => {
      await this.writer.query('BEGIN');
      try {
        await this.writer.query("SET LOCAL lock_timeout = '10s'");
        await this.writer.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [
          `sluice table ${nameOf(table)}`,
        ]);
        for (const statement of statements) await this.writer.query(statement);
        await this.writer.query('COMMIT');
      } catch (error) {
        await this.writer.query('ROLLBACK').catch(() => undefined);
        throw error;
      }
    });
  }

  /** Errors in our words; after the lease is lost, that is the error. */
  private async guarded<T>(work: () => Promise<T>): Promise<T> {
    this.lost.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      this.lost.throwIfAborted();
      throw asDestinationError(error);
    }
  }
}
