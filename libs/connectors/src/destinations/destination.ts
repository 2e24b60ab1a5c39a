import type { ColumnType, LoadColumn } from '../column';
import type { Sink } from '../formats/format-reader';
import type { SourceEntry } from '../sources/source';

export interface TableName {
  schema: string;
  table: string;
}

export interface TableColumn {
  name: string;
  /** As the database names it; perhaps none that can be loaded. */
  type: string;
  /** `atttypmod`: -1 for none. */
  modifier: number;
}

/** A file that is in, as the ledger says it. */
export interface LedgerEntry {
  loadId: string;
  path: string;
  version: string;
  rows: number;
  bytes: number;
  runId: string;
}

/** What the listing holds that the ledger does not know to be unchanged. */
export interface ListingCounts {
  listed: number;
  bytes: number;
  /** Paths the ledger does not hold, and their bytes. */
  fresh: number;
  freshBytes: number;
}

/** A known path whose fingerprint differs: changed perhaps. */
export interface TouchedEntry extends SourceEntry {
  /** What the ledger says of it. */
  version: string;
  rows: number;
  loadId: string;
}

/** What goes into the ledger with a file's rows. */
export interface LoadedFile {
  loadId: bigint;
  entry: SourceEntry;
  version: string;
  rows: number;
}

/** One transaction under way. */
export interface Batch {
  /**
   * Copies one file's rows within a savepoint. When `write` or the server fails nothing of the file stays, the batch goes on, and the
   * failure is raised: what the server says of the rows as `RowRefused`, anything else as it is.
   */
  copy(
    columns: readonly LoadColumn[],
    write: (sink: Sink, loadId: bigint) => Promise<number>,
  ): Promise<{ loadId: bigint; rows: number }>;
}

/** The server refused a row of a file. `row` counts from 1 within the file. */
export class RowRefused extends Error {
  constructor(
    readonly row: number | null,
    readonly column: string | null,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'RowRefused';
  }
}

/** The right to write for one ingestion, and all that is done with it. Raises `DestinationError` and `Fenced`. */
export abstract class LoadSession {
  /** Aborts when the lease is lost, with a `Fenced` or `DestinationError` as the reason. */
  abstract readonly lost: AbortSignal;

  /** `null`: there is no such table. */
  abstract columns(table: TableName): Promise<TableColumn[] | null>;
  /** Creates schema and table if they are missing, with `_load_id` after the columns; in a short transaction of its own. */
  abstract createTable(table: TableName, columns: readonly { name: string; type: ColumnType }[]): Promise<void>;
  abstract addColumns(table: TableName, columns: readonly { name: string; type: ColumnType }[]): Promise<void>;

  /** Streams the listing into the database and compares it with the ledger there. */
  abstract stage(listing: AsyncIterable<SourceEntry>): Promise<ListingCounts>;
  /** The next entries the ledger does not hold, in the order of their paths' bytes. */
  abstract fresh(after: string | null, limit: number): Promise<SourceEntry[]>;
  /** The next known entries with another fingerprint, likewise. */
  abstract touched(after: string | null, limit: number): Promise<TouchedEntry[]>;
  /** A touched entry proved to be unchanged: remembers its new fingerprint. */
  abstract confirmUnchanged(entry: SourceEntry): Promise<void>;

  /**
   * One destination transaction: `work` copies files; then the fence is checked, the ledger written and all committed together.
   * Raises `Fenced` when another run has taken over, and then nothing is in.
   */
  abstract batch(table: TableName, work: (batch: Batch) => Promise<LoadedFile[]>): Promise<void>;

  /** What the ledger holds with a load id above `after`, oldest first. */
  abstract ledgerSince(after: string | null, limit: number): Promise<LedgerEntry[]>;
  /** Ends the statement under way, so that a run which was told to stop does not wait for it. Never raises. */
  abstract interrupt(): Promise<void>;
  /** Gives the lease back. */
  abstract close(): Promise<void>;
}

/** A database that rows are loaded into. */
export abstract class Destination {
  /** `null`: another run holds the lease of this ingestion and lives. */
  abstract acquire(ingestionId: string, runId: string): Promise<LoadSession | null>;
  /** The run that the lease of this ingestion was last taken for and not given back; `null` when there is none. */
  abstract holder(ingestionId: string): Promise<string | null>;
}
