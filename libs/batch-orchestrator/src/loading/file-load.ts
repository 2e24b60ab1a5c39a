import {
  BadFile,
  type FileWrite,
  type LoadedFile,
  type OpenedFile,
  type ReadableFile,
  type ReadablePart,
  type Refusal,
  type RowRefused,
  type Sink,
  type SourceEntry,
} from '@sluice/connectors';
import { Drift } from '../faults';
import type { TableSchema } from '../schema/table-schema';
import { refusedByServer } from '../tally';
import type { RejectionLimit } from './rejection-limit';
import type { Rejections } from './rejections';

/** Rows of one file that the server may refuse under `skip_rows`: each costs another reading of the file. */
const MAX_REFUSED = 100;

export interface WorkItem {
  entry: SourceEntry;
  /** The load id of an older version of the file whose rows go. */
  replaces: string | null;
  /** The schema could not follow its values: bad rows are left out, if the quality rules allow it. */
  lenient: boolean;
}

/** All tries at loading one opened file into one transaction. */
export class FileLoad {
  /** By part: the records that the server refused at an earlier try. */
  private readonly refused = new Map<ReadablePart, Map<number, Refusal>>();
  private current: { part: ReadablePart; opened: OpenedFile } | null = null;

  constructor(
    private readonly item: WorkItem,
    private readonly readable: ReadableFile,
    private readonly schema: TableSchema,
    private readonly rejections: Rejections,
    private readonly limit: RejectionLimit,
    private readonly signal: AbortSignal,
  ) {}

  /** One try, within the savepoint of `write`. Raises `BadFile`, `Drift`, `UnknownColumns`, `RowRefused`. */
  async into(write: FileWrite): Promise<LoadedFile> {
    const { item, readable, rejections } = this;
    await rejections.clear();
    if (item.replaces !== null) await write.replace(item.replaces);
    let rows = 0;
    for (const part of readable.parts) rows += await this.part(write, part);
    const version = await readable.file.version();
    await readable.file.assertUnchanged();
    this.limit.assertKept(item.entry.path, rejections, rows);
    if (rejections.count > 0) await write.reject(item.entry.path, rejections.all());
    return { loadId: write.loadId, entry: item.entry, version, rows, rejected: rejections.count };
  }

  /** What a refusal means: true, the row is left out at the next try. Raises the file's fault where that may not be. */
  async takesOut(refusal: RowRefused): Promise<boolean> {
    const where = this.current;
    if (where === null) throw refusal;
    const refused = this.refusedOf(where.part);
    const found = refusal.row === null ? null : await where.opened.locate(refusal.row, refused);
    const rejects = this.schema.plan(this.item.lenient).badRows === 'reject';
    if (!rejects || found === null || this.refusedCount >= MAX_REFUSED)
      throw refusedByServer(refusal, found?.line ?? found?.record ?? null);
    const reason = refusedByServer(refusal, found.line).message;
    refused.set(found.record, { column: refusal.column, reason });
    return true;
  }

  close(): void {
    this.current?.opened.close();
  }

  private async part(write: FileWrite, part: ReadablePart): Promise<number> {
    const opened = await part.reader.open(part.input, this.schema.plan(this.item.lenient));
    this.current?.opened.close();
    this.current = { part, opened };
    const drift = this.schema.driftOf(opened);
    if (drift !== null) throw drift;
    return write.copy(opened.columns, (sink) => this.copy(write, part, opened, sink));
  }

  private async copy(write: FileWrite, part: ReadablePart, opened: OpenedFile, sink: Sink): Promise<number> {
    const tooMany = new AbortController();
    const { rejections, limit } = this;
    return opened.copyTo({
      sink,
      loadId: write.loadId,
      numbered: write.numbered,
      reject: (rejection) => {
        rejections.add(rejection);
        if (limit.isBroken(rejections.count)) tooMany.abort(limit.broken(this.item.entry.path, rejections));
      },
      refused: this.refusedOf(part),
      signal: AbortSignal.any([this.signal, tooMany.signal]),
    });
  }

  private refusedOf(part: ReadablePart): Map<number, Refusal> {
    const known = this.refused.get(part) ?? new Map<number, Refusal>();
    this.refused.set(part, known);
    return known;
  }

  private get refusedCount(): number {
    return [...this.refused.values()].reduce((sum, { size }) => sum + size, 0);
  }
}

/** Whether the schema may follow a file's fault (a value that does not fit), or the file may be read again with its bad rows left out. */
export function driftIn(error: unknown, schema: TableSchema, lenient: boolean): Drift | null {
  if (lenient || !(error instanceof BadFile) || !schema.followsValues()) return null;
  const { column } = error.place;
  if (error.type === 'type_mismatch' && column != null) return new Drift({ unfit: [column] }, error);
  return schema.plan(true).badRows === 'reject' ? new Drift({}, error) : null;
}
