import {
  type Batch,
  BadFile,
  type Files,
  type LoadedFile,
  type LoadSession,
  type Rejection,
  RowRefused,
  type SourceEntry,
  UnknownColumns,
  type WriteOrder,
} from '@sluice/connectors';
import type { QualitySpec } from '@sluice/ingestion';
import { Drift } from '../faults';
import type { TableSchema } from '../schema/table-schema';
import { refusedByServer } from '../tally';
import { driftIn, FileLoad, type WorkItem } from './file-load';
import { MergeRefusals } from './merge-refusals';
import { OpenedAhead } from './opened-ahead';
import { RejectionLimit } from './rejection-limit';
import { Rejections } from './rejections';

export interface FailedEntry {
  entry: SourceEntry;
  error: BadFile;
}

/** What became of a batch that was committed. */
export interface BatchResult {
  loaded: LoadedFile[];
  /** First rejection of a loaded file that has any, by path. */
  notes: Map<string, BadFile>;
  failed: FailedEntry[];
  /** The item that was not loaded, because the schema must change before; it and all after it come again. */
  stoppedAt: { item: WorkItem; drift: Drift } | null;
}

export interface LoaderParts {
  session: LoadSession;
  files: Files;
  schema: TableSchema;
  quality: QualitySpec;
  tempDir: string;
  signal: AbortSignal;
}

/** Files up to this size go together with others: for them a round trip is more than their rows. */
const SMALL_BYTES = 256 * 1024;

/** Loads files into transactions. */
export class Loader {
  private readonly limit: RejectionLimit;
  private readonly ahead: OpenedAhead;
  private readonly refusals: MergeRefusals;

  constructor(private readonly parts: LoaderParts) {
    this.ahead = new OpenedAhead(parts.files);
    this.limit = new RejectionLimit(parts.quality);
    this.refusals = new MergeRefusals(parts.files, parts.schema);
  }

  /**
   * One transaction: all of a batch that can be loaded commit together. What the server refuses together is tried again without the rows or files that
   * are to blame or, where nobody knows them, in halves.
   */
  async load(items: readonly WorkItem[], together = true): Promise<BatchResult[]> {
    const result = emptyResult();
    try {
      await this.once(items, together, result);
      return [result];
    } catch (error) {
      if (!(error instanceof RowRefused)) throw error;
      if (error.together) return this.load(items, false);
      const failed = await this.blame(error, result.loaded);
      if (failed !== null) return this.without(failed, items, together);
      return items.length === 1 ? [failure(items[0] as WorkItem, error)] : this.inHalves(items);
    }
  }

  /** The files that fail by a refused merge; none: the rows are left out at the next try. `null`: nobody knows the rows. */
  async blame(refused: RowRefused, loaded: readonly LoadedFile[]): Promise<FailedEntry[] | null> {
    this.parts.signal.throwIfAborted();
    const verdicts = await this.refusals.judge(refused, loaded);
    if (verdicts.length === 0) return null;
    return verdicts.flatMap(({ entry, error }) => (error === null ? [] : { entry, error }));
  }

  /** Loads one file within a transaction that is under way, and opens the `following` one meanwhile. Raises `BadFile`, `Drift`. */
  async loadInto(
    batch: Batch,
    item: WorkItem,
    following?: SourceEntry,
  ): Promise<{ file: LoadedFile; note: BadFile | null }> {
    try {
      return await this.copy(batch, item, following);
    } catch (error) {
      this.parts.signal.throwIfAborted();
      if (error instanceof UnknownColumns) throw new Drift({ unknown: error.columns }, null);
      throw driftIn(error, this.parts.schema, item.lenient) ?? error;
    }
  }

  private async without(failed: FailedEntry[], items: readonly WorkItem[], together: boolean): Promise<BatchResult[]> {
    const paths = new Set(failed.map(({ entry }) => entry.path));
    const rest = items.filter(({ entry }) => !paths.has(entry.path));
    return [{ ...emptyResult(), failed }, ...(rest.length === 0 ? [] : await this.load(rest, together))];
  }

  private async inHalves(items: readonly WorkItem[]): Promise<BatchResult[]> {
    const middle = Math.ceil(items.length / 2);
    const first = await this.load(items.slice(0, middle));
    return first.some(({ stoppedAt }) => stoppedAt !== null)
      ? first
      : [...first, ...(await this.load(items.slice(middle)))];
  }

  private async once(items: readonly WorkItem[], together: boolean, result: BatchResult): Promise<void> {
    try {
      await this.commit(items, { ...this.parts.schema.write, together }, result);
    } finally {
      await this.ahead.close();
    }
  }

  private async commit(items: readonly WorkItem[], order: WriteOrder, result: BatchResult): Promise<void> {
    await this.parts.session.batch(order, async (batch) => {
      for (const [index, item] of items.entries()) {
        this.parts.signal.throwIfAborted();
        if (!(await this.loadOne(batch, item, items[index + 1]?.entry, result))) break;
      }
      return result.loaded;
    });
  }

  /** A file's own fault is noted and does not stop the batch; false: the schema must change before it goes on. */
  private async loadOne(
    batch: Batch,
    item: WorkItem,
    following: SourceEntry | undefined,
    result: BatchResult,
  ): Promise<boolean> {
    try {
      const { file, note } = await this.loadInto(batch, item, following);
      result.loaded.push(file);
      if (note !== null) result.notes.set(item.entry.path, note);
      return true;
    } catch (error) {
      if (error instanceof Drift) result.stoppedAt = { item, drift: error };
      else if (error instanceof BadFile) result.failed.push({ entry: item.entry, error });
      else throw error;
      return result.stoppedAt === null;
    }
  }

  private async copy(
    batch: Batch,
    item: WorkItem,
    following: SourceEntry | undefined,
  ): Promise<{ file: LoadedFile; note: BadFile | null }> {
    const { schema, tempDir, signal } = this.parts;
    const readable = await this.ahead.take(item.entry);
    this.ahead.open(following);
    const rejections = new Rejections(tempDir);
    const refusals = this.refusals.of(item.entry.path);
    const load = new FileLoad(item, readable, { schema, rejections, limit: this.limit, refusals, signal });
    try {
      const small = item.replaces === null && item.entry.bytes <= SMALL_BYTES;
      const file = await this.tries(batch, load, small);
      const { first, count } = rejections;
      return { file, note: first === null ? null : leftOut(item.entry.path, count, first) };
    } finally {
      load.close();
      await rejections.close();
      await readable.file.close();
    }
  }

  /** Under `skip_rows` a row that the server refuses is left out and the file is read again. */
  private async tries(batch: Batch, load: FileLoad, small: boolean): Promise<LoadedFile> {
    for (;;) {
      this.parts.signal.throwIfAborted();
      try {
        return await batch.file((write) => load.into(write), { small });
      } catch (error) {
        if (!(error instanceof RowRefused) || error.together) throw error;
        await load.takesOut(error);
      }
    }
  }
}

export function emptyResult(): BatchResult {
  return { loaded: [], notes: new Map(), failed: [], stoppedAt: null };
}

function failure({ entry }: WorkItem, refused: RowRefused): BatchResult {
  return { ...emptyResult(), failed: [{ entry, error: refusedByServer(refused, null) }] };
}

function leftOut(path: string, count: number, first: Rejection): BadFile {
  const { type, reason, line, column } = first;
  const rows = count === 1 ? 'One row' : `${count} rows`;
  return new BadFile(type, `${rows} of ${path} left out and kept in sluice.rejected_row. The first: ${reason}`, {
    line,
    column,
  });
}
