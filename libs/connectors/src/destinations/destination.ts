import type { ColumnType, LoadColumn } from '../column';
import type { Rejection, Sink } from '../formats/format-reader';
import type { SourceEntry } from '../sources/source';

export interface TableName {
  schema: string;
  table: string;
}

export interface TableColumn {
  name: string;
  /** As the database names it (`format_type(oid, NULL)`); perhaps none that can be loaded. */
  type: string;
  /** `atttypmod`, of a domain that of its base type: -1 for none. */
  modifier: number;
  /**
   * The type whose binary form it takes: its own, that of a domain's base type, `text` for enums and citext. `null`: none of ours; then values
   * are sent as text and cast by the server (xml too: in binary form it would be read in the encoding that the document names).
   */
  encodes: ColumnType | null;
  notNull: boolean;
  hasDefault: boolean;
  /** Written by the server alone (GENERATED ALWAYS). */
  generated: boolean;
}

export interface TableInfo {
  columns: TableColumn[];
  /** Whether Sluice made it. */
  ours: boolean;
  /** The column lists of its unique indexes that can serve ON CONFLICT (valid, immediate, neither partial nor on expressions). */
  uniqueKeys: string[][];
}

/** A change of a table. All of a call commit together, or none. */
export type TableChange =
  | { kind: 'add'; column: string; type: ColumnType }
  /** To a type that holds every value of the old one. */
  | { kind: 'widen'; column: string; type: ColumnType }
  /** Drops NOT NULL. */
  | { kind: 'nullable'; column: string }
  | { kind: 'drop'; column: string };

/** A column that gets another type when its table is built anew, also one that does not hold all values of the old. */
export interface Retyping {
  column: string;
  type: ColumnType;
}

/** A table to be built anew. */
export interface RebuildOrder extends WriteOrder {
  /** `replace` makes the files loaded the whole ledger of the ingestion, `keep` adds them to it. */
  history: 'replace' | 'keep';
  /** Default: every column keeps its type. `columns` are those of the new table. */
  retypings?: readonly Retyping[];
}

/** A file that is in, as the ledger says it. */
export interface LedgerEntry {
  loadId: string;
  path: string;
  version: string;
  rows: number;
  rejected: number;
  bytes: number;
  runId: string;
}

/** What the listing holds, compared with the ledger. */
export interface ListingCounts {
  listed: number;
  bytes: number;
  /** Paths the ledger does not hold and that are not held back, and their bytes. */
  fresh: number;
  freshBytes: number;
  /** Paths that failed before, are unchanged, and whose next attempt is not due or that are quarantined. */
  held: number;
  /** Known paths that changed perhaps (another fingerprint, or all of them with `verify: full`) and are not held back. */
  touched: number;
  /** Paths of the ledger that the listing does not hold. */
  vanished: number;
}

/** What is to be held back of a listing. */
export interface HoldBack {
  /** Stands for all that decides whether a file can be loaded (format, schema, quality, ...): failures under other settings do not count. */
  settings: string;
  /** Failed files to take up now whatever their next attempt: all, these paths, or none. They stay due until they are in or fail once more. */
  retry: 'all' | readonly string[] | null;
}

/** `full`: an equal fingerprint proves nothing either, so every known path is touched until `confirmUnchanged` says otherwise. */
export type Verify = 'quick' | 'full';

/** A known path that changed perhaps: its fingerprint differs, or proves nothing. */
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
  rejected: number;
}

/** A file that could not be loaded. */
export interface FailedFile {
  entry: SourceEntry;
  /** For a person. */
  message: string;
}

/** What has become of a failed file. */
export interface FailureState {
  path: string;
  /** Under the settings of now, this one counted. */
  attempts: number;
  /** `null`: none, it is quarantined. */
  nextAttemptAt: Date | null;
}

/** How the rows of a batch get into the table. */
export interface WriteOrder {
  table: TableName;
  /** Column names that tell rows apart. Empty: rows are appended. Else a later row (by load id, then row number) takes the place of an earlier one. */
  keys: readonly string[];
  /** All columns that the rows of the batch may carry, in the table's names; a merge sets those a file lacks to NULL. */
  columns: readonly LoadColumn[];
  /** Rows carry `_rescued`. */
  rescued: boolean;
  /**
   * A merged row that is there already with the same values takes the load id of its newest file too. Needed where files are replaced: else the rows of
   * an older file would go with it although a newer one has them.
   */
  claims?: boolean;
  /**
   * Small files may share one COPY, which saves a round trip each. What the server refuses is then raised by `batch` itself, for all of them (`RowRefused`),
   * and between two files nothing else may be asked of the session.
   */
  together?: boolean;
}

/** A row left out, wherever in its file it stood. */
export interface LeftOutRow extends Rejection {
  /** Of a zip archive: the file within it. */
  member?: string | null;
}

/** One file within a batch. */
export interface FileWrite {
  readonly loadId: bigint;
  /** Rows end with `_row` (see `CopyOrder.numbered`): they go to a staging table first, to be merged or because a column has a `cast`. */
  readonly numbered: boolean;
  /** One COPY of rows with these columns (and `_rescued`, `_load_id`, `_row`). May be called again for the next part of the file. */
  copy(columns: readonly LoadColumn[], write: (sink: Sink) => Promise<number>): Promise<number>;
  /** The rows left out, into `sluice.rejected_row`. */
  reject(path: string, rejections: AsyncIterable<LeftOutRow>): Promise<void>;
  /** The rows that an earlier version of this file brought go, and its ledger row. Before the first `copy`. */
  replace(loadId: string): Promise<void>;
}

/** One transaction under way. */
export interface Batch {
  /**
   * What is done for one file, within a savepoint. When `work` or the server fails nothing of the file stays, the batch goes on, and the failure
   * is raised: what the server says of a row as `RowRefused`, anything else as it is.
   * `small`: the file's rows are likely few, and may go `together` with those of others; if they are not, `work` is called once more.
   */
  file<T>(work: (file: FileWrite) => Promise<T>, options?: { small: boolean }): Promise<T>;
}

/** A row of the batch that cannot be in the table beside the others. */
export interface MergedRow {
  loadId: string;
  /** Which COPY of its file brought it, from 0. */
  part: number;
  /** Its number within the part (`_row`). */
  record: number;
  column: string | null;
  /** What the server says of it. */
  message: string;
}

/**
 * The server refused a row. `row` counts the rows sent of one COPY, from 1; `null`: it does not say which.
 * Raised by `LoadSession.batch` itself (not within `file`): the rows of the batch taken together were refused, e.g. when merged.
 */
export class RowRefused extends Error {
  constructor(
    readonly row: number | null,
    readonly column: string | null,
    message: string,
    options?: ErrorOptions & { together?: boolean; merged?: readonly MergedRow[] },
  ) {
    super(message, options);
    this.name = 'RowRefused';
    this.together = options?.together ?? false;
    this.merged = options?.merged ?? [];
  }

  /** Rows refused when they were merged, the first of them (at most 100); empty when it was not that or nobody can tell. */
  readonly merged: readonly MergedRow[];

  /** It was a row of one of several files that went together: nobody knows of which. */
  readonly together: boolean;
}

/** The right to write for one ingestion, and all that is done with it. Raises `DestinationError` and `Fenced`. */
export abstract class LoadSession {
  /** Aborts when the lease is lost, with a `Fenced` or `DestinationError` as the reason. */
  abstract readonly lost: AbortSignal;

  /** `null`: there is no such table. */
  abstract table(name: TableName): Promise<TableInfo | null>;
  /**
   * Creates schema and table if they are missing, with `_rescued jsonb` (if `rescued`) and `_load_id` after the columns and a unique index on
   * `keys` (if any; their columns NOT NULL); in a short transaction of its own. Remembers that the table is ours.
   */
  abstract createTable(
    name: TableName,
    columns: readonly { name: string; type: ColumnType }[],
    options: { keys: readonly string[]; rescued: boolean },
  ): Promise<void>;
  /** In a short transaction of its own. Raises `DestinationError` (`schema_mismatch`) naming what stands in the way (a view, ...). */
  abstract alter(name: TableName, changes: readonly TableChange[]): Promise<void>;

  /** Streams the listing into the database and compares it with the ledger there. */
  abstract stage(
    listing: AsyncIterable<SourceEntry>,
    holdBack: HoldBack,
    /** Default `quick`. */
    verify?: Verify,
  ): Promise<ListingCounts>;
  /** The next entries that are neither in the ledger nor held back, in the order of their paths' bytes. */
  abstract fresh(after: string | null, limit: number): Promise<SourceEntry[]>;
  /** The next entries of the whole listing, likewise. */
  abstract listed(after: string | null, limit: number): Promise<SourceEntry[]>;
  /** The next known entries that changed perhaps and are not held back, likewise. */
  abstract touched(after: string | null, limit: number): Promise<TouchedEntry[]>;
  /** A touched entry proved to be unchanged: remembers its fingerprint, and that it is proved until the next `stage`. */
  abstract confirmUnchanged(entry: SourceEntry): Promise<void>;

  /**
   * One destination transaction: `work` loads files; then rows are merged (if there are keys), the fence is checked, the ledger written and all
   * committed together. Raises `Fenced` when another run has taken over, and then nothing is in. `work` raising rolls all back.
   */
  abstract batch(order: WriteOrder, work: (batch: Batch) => Promise<LoadedFile[]>): Promise<void>;

  /**
   * One destination transaction that builds the table anew beside the old one from all that `work` loads, and puts it in its place: readers see the
   * old rows or the new, whole (not so a transaction at REPEATABLE READ that began before the commit and reads the table for the first time after it:
   * it finds no rows, as after any rewriting of a table). Grants, owner, comments, defaults, constraints and indexes of the old table are carried over, views on it keep
   * working.
   * The lock on the old table lasts only from the end of the loading to the commit.
   * Raises before anything is loaded `DestinationError` (`schema_mismatch`) with the names of what cannot be carried over: triggers, foreign keys,
   * row security, partitions or inheritance, publications, materialized views, views of other owners, functions; of a column with another type
   * also views, CHECKs and indexes on expressions that use it.
   */
  abstract rebuild(order: RebuildOrder, work: (batch: Batch) => Promise<LoadedFile[]>): Promise<void>;

  /** Whether this run (by its id, in whatever process) has committed files already. */
  abstract hasCommitted(): Promise<boolean>;

  /** Counts one more failed attempt of each file and says when the next is due; after the last it is quarantined. Under the fence. */
  abstract recordFailures(files: readonly FailedFile[], settings: string): Promise<FailureState[]>;

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
  /** The run that holds the lease of this ingestion now and lives; `null`: whoever tries gets it. */
  abstract busyWith(ingestionId: string): Promise<string | null>;
}
