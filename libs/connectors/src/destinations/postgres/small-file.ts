import type { LoadColumn } from '../../column';
import type { Sink } from '../../formats/format-reader';
import type { FileWrite } from '../destination';

/** Rows of one file that are kept in memory until all of it is known to be good. */
const MOST_BYTES = 4 * 1024 * 1024;

/** The file needs more than rows of one kind, or more memory than it may have: it must go by itself. */
export class GoesAlone extends Error {}

/** A file whose rows are kept until it is read to its end, and then go into a COPY together with those of others. */
export class SmallFile implements FileWrite {
  readonly rows: Buffer[] = [];
  columns: readonly LoadColumn[] = [];
  private copied = false;
  private bytes = 0;

  constructor(
    readonly loadId: bigint,
    readonly numbered: boolean,
  ) {}

  copy(columns: readonly LoadColumn[], write: (sink: Sink) => Promise<number>): Promise<number> {
    if (this.copied) throw new GoesAlone();
    this.copied = true;
    this.columns = columns;
    return write((bytes) => this.keep(bytes));
  }

  reject(): Promise<void> {
    return Promise.reject(new GoesAlone());
  }

  replace(): Promise<void> {
    return Promise.reject(new GoesAlone());
  }

  private keep(bytes: Buffer): Promise<boolean> {
    this.bytes += bytes.length;
    if (this.bytes > MOST_BYTES) return Promise.reject(new GoesAlone());
    this.rows.push(bytes);
    return Promise.resolve(false);
  }
}
