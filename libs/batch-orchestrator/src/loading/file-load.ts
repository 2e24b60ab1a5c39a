import {
  BadFile,
  type FileWrite,
  type LoadedFile,
  type OpenedFile,
  type ReadableFile,
  type ReadablePart,
  type RowRefused,
  type Sink,
  type SourceEntry,
} from '@sluice/connectors';
import { Drift } from '../faults';
import type { TableSchema } from '../schema/table-schema';
import { refusedByServer } from '../tally';
import type { RejectionLimit } from './rejection-limit';
import type { Refusals } from './refusals';
import type { Rejections } from './rejections';

export interface WorkItem {
  entry: SourceEntry;
  /** The load id of an older version of the file whose rows go. */
  replaces: string | null;
  /** The schema could not follow its values: bad rows are left out, if the quality rules allow it. */
  lenient: boolean;
}

/** What one load works with. */
export interface FileLoadParts {
  schema: TableSchema;
  rejections: Rejections;
  limit: RejectionLimit;
  /** What the server refused of the file at earlier tries. */
  refusals: Refusals;
  signal: AbortSignal;
}

/** All tries at loading one opened file into one transaction. */
export class FileLoad {
  private current: { index: number; opened: OpenedFile } | null = null;

  constructor(
    private readonly item: WorkItem,
    private readonly readable: ReadableFile,
    private readonly parts: FileLoadParts,
  ) {}

  /** One try, within the savepoint of `write`. Raises `BadFile`, `Drift`, `UnknownColumns`, `RowRefused`. */
  async into(write: FileWrite): Promise<LoadedFile> {
    const { item, readable } = this;
    const { rejections, limit } = this.parts;
    await rejections.clear();
    if (item.replaces !== null) await write.replace(item.replaces);
    let rows = 0;
    for (const index of readable.parts.keys()) rows += await this.part(write, index);
    const version = await readable.file.version();
    await readable.file.assertUnchanged();
    limit.assertKept(item.entry.path, rejections, rows);
    if (rejections.count > 0) await write.reject(item.entry.path, rejections.all());
    return { loadId: write.loadId, entry: item.entry, version, rows, rejected: rejections.count };
  }

  /** What a refusal means: true, the row is left out at the next try. Raises the file's fault where that may not be. */
  async takesOut(refusal: RowRefused): Promise<boolean> {
    const where = this.current;
    if (where === null) throw refusal;
    const { schema, refusals } = this.parts;
    const refused = refusals.of(where.index);
    const found = refusal.row === null ? null : await where.opened.locate(refusal.row, refused);
    const line = found?.line ?? found?.record ?? null;
    this.assertNoneVanished(refusal, line);
    const rejects = schema.plan(this.item.lenient).badRows === 'reject';
    if (!rejects || found === null || refusals.isFull)
      throw within(this.readable, where.index, refusedByServer(refusal, line));
    const reason = refusedByServer(refusal, found.line).message;
    refusals.add(where.index, found.record, { column: refusal.column, reason });
    return true;
  }

  /** Of JSON nobody knows before its end which columns it lacks, so the server tells first that one may not be NULL. */
  private assertNoneVanished(refusal: RowRefused, line: number | null): void {
    const source = this.item.lenient ? null : this.parts.schema.relaxableAs(refusal.column);
    if (source !== null) throw new Drift({ missing: [source] }, refusedByServer(refusal, line));
  }

  close(): void {
    this.current?.opened.close();
  }

  private async part(write: FileWrite, index: number): Promise<number> {
    try {
      return await this.read(write, index);
    } catch (error) {
      throw within(this.readable, index, error);
    }
  }

  private async read(write: FileWrite, index: number): Promise<number> {
    const { schema } = this.parts;
    const part = this.readable.parts[index] as ReadablePart;
    const opened = await part.reader.open(part.input, schema.plan(this.item.lenient));
    this.current?.opened.close();
    this.current = { index, opened };
    const drift = schema.driftOf(opened);
    if (drift !== null) throw drift;
    const rows = await write.copy(opened.columns, (sink) => this.copy(write, index, opened, sink));
    if (rows > 0 && opened.columns.length === 0) throw withoutFields(this.item.entry.path, rows);
    return rows;
  }

  private async copy(write: FileWrite, index: number, opened: OpenedFile, sink: Sink): Promise<number> {
    const tooMany = new AbortController();
    const { rejections, limit, refusals, signal } = this.parts;
    const member = this.readable.parts[index]?.member ?? null;
    return opened.copyTo({
      sink,
      loadId: write.loadId,
      numbered: write.numbered,
      reject: (rejection) => {
        rejections.add(member === null ? rejection : { ...rejection, member });
        if (limit.isBroken(rejections.count)) tooMany.abort(limit.broken(this.item.entry.path, rejections));
      },
      refused: refusals.of(index),
      signal: AbortSignal.any([signal, tooMany.signal]),
    });
  }
}

/** As of a file with none of the columns; but before any column is known there is not even a table that such rows could go to. */
function withoutFields(path: string, rows: number): BadFile {
  const message = `${path} has ${rows} records and no field in any of them: no column can be made for them. Correct or remove the file.`;
  return new BadFile('schema_mismatch', message);
}

/** What is wrong with a member of an archive says with which, if it does not yet. */
export function within({ file, parts }: ReadableFile, index: number, error: unknown): unknown {
  const member = parts[index]?.member ?? null;
  if (member === null || !(error instanceof BadFile) || error.message.includes(file.path)) return error;
  const { type, message, place, retry } = error;
  return new BadFile(type, `${member} in ${file.path}: ${message}`, place, { cause: error, retry });
}

/** Whether the schema may follow a file's fault (a value that does not fit), or the file may be read again with its bad rows left out. */
export function driftIn(error: unknown, schema: TableSchema, lenient: boolean): Drift | null {
  if (lenient || !(error instanceof BadFile) || !schema.followsValues()) return null;
  const { column } = error.place;
  if (error.type === 'type_mismatch' && column != null) return new Drift({ unfit: [column] }, error);
  return schema.plan(true).badRows === 'reject' ? new Drift({}, error) : null;
}
