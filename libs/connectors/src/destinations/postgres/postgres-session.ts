import type { Client } from 'pg';
import type { ColumnType } from '../../column';
import type { SourceEntry } from '../../sources/source';
import {
  type Batch,
  type FailedFile,
  type FailureState,
  type HoldBack,
  type LedgerEntry,
  type ListingCounts,
  type LoadedFile,
  LoadSession,
  type RebuildOrder,
  type TableChange,
  type TableInfo,
  type TableName,
  type TouchedEntry,
  type Verify,
  type WriteOrder,
} from '../destination';
import { transaction } from './connect';
import { makeDue, recordFailures, type RetryPolicy } from './failures';
import type { Lease } from './lease';
import { type Holder, ledgerSince, proveFence, writeLedger } from './ledger';
import { Listing } from './listing';
import { asDestinationError } from './pg-errors';
import { PostgresBatch } from './postgres-batch';
import { Rebuild } from './rebuild/rebuild';
import { soon } from './soon';
import { alterTable, createTable, ensureKey, lacksKey } from './table-changes';
import { tableInfo } from './table-info';

/** What a cancelled statement is given to end. */
const GIVE_UP_MS = 3_000;

/** What is under way on the connection, and the two ways on from there. */
interface Writing {
  batch: Batch;
  /** Writes all that is left to write, the ledger included. */
  finish(loaded: LoadedFile[]): Promise<void>;
  /** Gives up what keeps the connection, so that all can be rolled back. Never raises. */
  abandon(): Promise<void>;
}

export class PostgresSession extends LoadSession {
  override readonly lost: AbortSignal;
  private givingUp: NodeJS.Timeout | undefined;
  private readonly holder: Holder;
  private readonly listing: Listing;

  constructor(
    private readonly writer: Client,
    private readonly lease: Lease,
    run: Omit<Holder, 'fence'>,
    private readonly retries: RetryPolicy,
  ) {
    super();
    this.lost = lease.lost;
    this.holder = { ...run, fence: lease.fence };
    this.listing = new Listing(writer, run.ingestionId);
  }

  override table(name: TableName): Promise<TableInfo | null> {
    return this.guarded(() => tableInfo(this.writer, name));
  }

  override createTable(
    name: TableName,
    columns: readonly { name: string; type: ColumnType }[],
    options: { keys: readonly string[]; rescued: boolean },
  ): Promise<void> {
    return this.guarded(() => createTable(this.writer, name, { columns, ...options }));
  }

  override alter(name: TableName, changes: readonly TableChange[]): Promise<void> {
    return this.guarded(() => alterTable(this.writer, name, changes));
  }

  override async stage(
    listing: AsyncIterable<SourceEntry>,
    { settings, retry }: HoldBack,
    verify: Verify = 'quick',
  ): Promise<ListingCounts> {
    await this.passing(() => this.listing.stage(listing, settings, verify));
    if (retry !== null) await this.fenced(() => makeDue(this.writer, this.holder.ingestionId, retry));
    return this.guarded(() => this.listing.counts());
  }

  override fresh(after: string | null, limit: number): Promise<SourceEntry[]> {
    return this.guarded(() => this.listing.fresh(after, limit));
  }

  override listed(after: string | null, limit: number): Promise<SourceEntry[]> {
    return this.guarded(() => this.listing.listed(after, limit));
  }

  override touched(after: string | null, limit: number): Promise<TouchedEntry[]> {
    return this.guarded(() => this.listing.touched(after, limit));
  }

  override async confirmUnchanged({ path, fingerprint }: SourceEntry): Promise<void> {
    const statement =
      'UPDATE sluice.ledger SET fingerprint = $3 WHERE ingestion = $1 AND path = $2 AND fingerprint <> $3';
    await this.fenced(() => this.writer.query(statement, [this.holder.ingestionId, path, fingerprint]));
    await this.guarded(() => this.listing.prove(path));
  }

  override async batch(order: WriteOrder, work: (batch: Batch) => Promise<LoadedFile[]>): Promise<void> {
    await this.guarded(() => ensureKey(this.writer, order.table, order.keys));
    await this.write(() => Promise.resolve(this.appending(order)), work);
  }

  override async rebuild(order: RebuildOrder, work: (batch: Batch) => Promise<LoadedFile[]>): Promise<void> {
    await this.guarded(() => lacksKey(this.writer, order.table, order.keys));
    await this.write(() => Rebuild.begin(this.writer, order, this.holder), work);
  }

  override async recordFailures(files: readonly FailedFile[], settings: string): Promise<FailureState[]> {
    if (files.length === 0) return [];
    return this.fenced(() => recordFailures(this.writer, this.holder, files, settings, this.retries));
  }

  override hasCommitted(): Promise<boolean> {
    return this.guarded(async () => {
      const statement = 'SELECT FROM sluice.ledger WHERE ingestion = $1 AND run = $2 LIMIT 1';
      return (await this.writer.query(statement, [this.holder.ingestionId, this.holder.runId])).rowCount === 1;
    });
  }

  override ledgerSince(after: string | null, limit: number): Promise<LedgerEntry[]> {
    return this.guarded(() => ledgerSince(this.writer, this.holder.ingestionId, after, limit));
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

  private appending(order: WriteOrder): Writing {
    const batch = new PostgresBatch(this.writer, order, this.holder);
    const finish = async (loaded: LoadedFile[]) => {
      await batch.finish();
      await proveFence(this.writer, this.holder);
      await writeLedger(this.writer, loaded, this.holder);
    };
    return { batch, finish, abandon: () => batch.abandon() };
  }

  /** One transaction around `work`. A deferred constraint would speak up at its end only, when nobody knows any more which file it means. */
  private async write(begin: () => Promise<Writing>, work: (batch: Batch) => Promise<LoadedFile[]>): Promise<void> {
    await this.guarded(() => this.writer.query('BEGIN; SET CONSTRAINTS ALL IMMEDIATE'));
    const begun: { writing: Writing | null } = { writing: null };
    try {
      const writing = (begun.writing = await this.guarded(begin));
      const loaded = await this.passing(() => work(writing.batch));
      await this.guarded(() => writing.finish(loaded));
      await this.guarded(() => this.writer.query('COMMIT'));
    } catch (error) {
      await begun.writing?.abandon();
      // The connection may be gone; then the server has rolled back already.
      await this.writer.query('ROLLBACK').catch(() => undefined);
      throw error;
    }
  }

  /** Commits what `work` writes only while the lease is ours. */
  private fenced<T>(work: () => Promise<T>): Promise<T> {
    return this.guarded(() =>
      transaction(this.writer, async () => {
        await proveFence(this.writer, this.holder);
        return work();
      }),
    );
  }

  /** Errors in our words; after the lease is lost, that is the error. */
  private guarded<T>(work: () => Promise<T>): Promise<T> {
    return this.passing(async () => {
      try {
        return await work();
      } catch (error) {
        throw asDestinationError(error);
      }
    });
  }

  /** What is called from outside raises errors of its own: they pass as they are, but for a lost lease, too. */
  private async passing<T>(work: () => Promise<T>): Promise<T> {
    this.lost.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      this.lost.throwIfAborted();
      throw error;
    }
  }
}
