import {
  type Batch,
  BadFile,
  type LoadedFile,
  type LoadSession,
  RowRefused,
  type SourceEntry,
  UnknownColumns,
} from '@sluice/connectors';
import type { FileRecord } from '@sluice/ingestion';
import type { Files } from './files';
import type { TableSchema } from './table-schema';
import { failedRecord, refusedByServer } from './tally';

export interface BatchResult {
  loaded: FileRecord[];
  failed: FileRecord[];
  /** The first file that was not looked at, because the schema must change before; it and all after it come again. */
  stoppedAt: { entry: SourceEntry; unknown: readonly string[] } | null;
}

/** Loads batches of files: all of a batch that can be loaded commit together. */
export class Loader {
  constructor(
    private readonly session: LoadSession,
    private readonly files: Files,
    private readonly schema: TableSchema,
    private readonly table: { schema: string; table: string },
    private readonly signal: AbortSignal,
  ) {}

  async load(entries: readonly SourceEntry[]): Promise<BatchResult> {
    const result: BatchResult = { loaded: [], failed: [], stoppedAt: null };
    await this.session.batch(this.table, async (batch) => {
      const loaded: LoadedFile[] = [];
      for (const entry of entries) {
        this.signal.throwIfAborted();
        const stop = await this.loadOne(batch, entry, loaded, result.failed);
        if (stop !== null) {
          result.stoppedAt = { entry, unknown: stop.columns };
          break;
        }
      }
      result.loaded = loaded.map(toRecord);
      return loaded;
    });
    return result;
  }

  /** Returns what stops the batch here; a file's own fault is noted and does not. */
  private async loadOne(
    batch: Batch,
    entry: SourceEntry,
    loaded: LoadedFile[],
    failed: FileRecord[],
  ): Promise<UnknownColumns | null> {
    try {
      loaded.push(await this.copy(batch, entry));
      return null;
    } catch (error) {
      this.signal.throwIfAborted();
      if (error instanceof UnknownColumns) return error;
      if (!(error instanceof BadFile)) throw error;
      failed.push(failedRecord(entry, error));
      return null;
    }
  }

  private async copy(batch: Batch, entry: SourceEntry): Promise<LoadedFile> {
    const { file, reader } = await this.files.open(entry);
    const opened = await reader.open(file, this.schema.plan);
    try {
      let version = '';
      const { loadId, rows } = await batch.copy(opened.columns, async (sink, id) => {
        const count = await opened.copyTo(sink, id, this.signal);
        version = await file.version();
        await file.assertUnchanged();
        return count;
      });
      return { loadId, entry, rows, version };
    } catch (error) {
      if (!(error instanceof RowRefused)) throw error;
      throw refusedByServer(error, error.row === null ? null : await opened.lineOf(error.row));
    } finally {
      opened.close();
    }
  }
}

function toRecord({ loadId, entry, version, rows }: LoadedFile): FileRecord {
  const { path, bytes } = entry;
  return { path, version, status: 'loaded', rows, rejected: 0, bytes, first_error: null, load_id: loadId.toString() };
}
