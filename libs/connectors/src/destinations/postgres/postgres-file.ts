import type { Client } from 'pg';
import type { LoadColumn } from '../../column';
import type { Sink } from '../../formats/format-reader';
import type { FileWrite, LeftOutRow } from '../destination';
import { copyText } from './copy-stream';
import { forgetLoad, type Holder } from './ledger';
import { asDestinationError } from './pg-errors';
import { COPY_REJECTED, rejectedFields } from './rejected-rows';

/** What a file needs of its batch. */
export interface FileHost {
  readonly client: Client;
  readonly holder: Holder;
  readonly numbered: boolean;
  /** Begins a file's savepoint; goes before its first statement. */
  savepointSql(): string;
  /** One COPY. `prefix`: what goes before it in the same round trip; `part` counts the file's COPYs from 0. */
  copy(
    columns: readonly LoadColumn[],
    write: (sink: Sink) => Promise<number>,
    place: { prefix: () => string; part: number },
  ): Promise<number>;
  /** The rows of an earlier load go. */
  deleteLoad(loadId: string, prefix: () => string): Promise<void>;
}

/** One file of a batch; its savepoint begins with its first statement. */
export class PostgresFile implements FileWrite {
  /** Whether there is a savepoint to go back to. */
  begun = false;
  private parts = 0;

  constructor(
    private readonly batch: FileHost,
    readonly loadId: bigint,
  ) {}

  get numbered(): boolean {
    return this.batch.numbered;
  }

  copy(columns: readonly LoadColumn[], write: (sink: Sink) => Promise<number>): Promise<number> {
    return this.batch.copy(columns, write, { prefix: this.begin, part: this.parts++ });
  }

  async reject(path: string, rejections: AsyncIterable<LeftOutRow>): Promise<void> {
    const { client, holder } = this.batch;
    const by = { loadId: this.loadId, ingestionId: holder.ingestionId, runId: holder.runId, path };
    await copyText(client, `${this.begin()}${COPY_REJECTED}`, rejectedFields(by, rejections));
  }

  async replace(loadId: string): Promise<void> {
    try {
      await this.batch.deleteLoad(loadId, this.begin);
      const { client, holder } = this.batch;
      await forgetLoad(client, holder.ingestionId, loadId);
    } catch (error) {
      throw asDestinationError(error);
    }
  }

  private readonly begin = (): string => {
    if (this.begun) return '';
    this.begun = true;
    return this.batch.savepointSql();
  };
}
