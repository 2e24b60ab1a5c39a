import { setImmediate } from 'node:timers/promises';
import type { DuckDBConnection, DuckDBDataChunk, DuckDBResult } from '@duckdb/node-api';
import type { LoadColumn } from '../../column';
import { CopyWriter } from '../../copy/copy-writer';
import { RowTail } from '../../copy/row-tail';
import { BadRows } from '../bad-rows';
import { missingOf, requireKeys } from '../declared-columns';
import {
  type CopyOrder,
  type FileInput,
  type InferredColumn,
  type OpenedFile,
  type ReadPlan,
  type Refusal,
  rescues,
} from '../format-reader';
import { factsOf } from './bad-row-facts';
import { type BadRow, ChunkEncoder } from './chunk-encoder';
import { ChunkReclaimer } from './chunk-reclaimer';
import { inferredColumn } from './parquet-columns';
import { unreadable } from './parquet-file';
import { rowsQuery, type Wanted } from './parquet-query';

/** What one opened file is read with. */
export interface ReadingMeans {
  /** The file's own, closed with it: a question ends the stream of the one before. */
  session: DuckDBConnection;
  questions: DuckDBConnection;
  /** Removes what was made beside the file. */
  remove: () => void;
}

export class OpenedParquet implements OpenedFile {
  readonly columns: readonly LoadColumn[];
  readonly declared: readonly InferredColumn[];

  constructor(
    private readonly means: ReadingMeans,
    private readonly file: FileInput,
    private readonly wanted: Wanted,
    private readonly plan: ReadPlan,
  ) {
    this.columns = wanted.pairs.map(({ target }) => target);
    this.declared = wanted.found.map(inferredColumn);
  }

  missing(): readonly string[] {
    return missingOf(this.wanted.found, this.plan);
  }

  async copyTo(order: CopyOrder): Promise<number> {
    requireKeys(this.file.path, this.wanted.found, this.plan);
    const out = new CopyWriter();
    const rows = this.encoder(order, out);
    const send = async () => {
      await this.tell(rows.takeBad(), order);
      if (out.position > 0) await out.sendTo(order.sink);
    };
    for await (const chunk of this.chunks(order.signal)) {
      rows.take(chunk);
      while (rows.encodeSome(Infinity)) await send();
    }
    await send();
    return out.rows;
  }

  async locate(sent: number, refused: ReadonlyMap<number, Refusal>): Promise<{ record: number; line: null } | null> {
    if (this.plan.badRows === 'fail' && refused.size === 0) return { record: sent, line: null };
    const out = new CopyWriter();
    const rows = this.encoder({ loadId: 0n, numbered: false, refused }, out);
    for await (const chunk of this.chunks()) {
      rows.take(chunk);
      while (rows.encodeSome(sent) && out.rows < sent) {
        out.take();
        rows.takeBad();
      }
      if (out.rows === sent) return { record: rows.record, line: null };
    }
    return null;
  }

  close(): void {
    this.means.session.closeSync();
    this.means.remove();
  }

  private encoder(order: Pick<CopyOrder, 'loadId' | 'numbered' | 'refused'>, out: CopyWriter): ChunkEncoder {
    const tail = new RowTail({ loadId: order.loadId, rescues: rescues(this.plan), numbered: order.numbered });
    const options = { pairs: this.wanted.pairs, rescues: this.plan.unfit === 'rescue', refused: order.refused };
    return new ChunkEncoder(options, out, tail);
  }

  /** Hands over the rows left out, before those written after them are sent. */
  private async tell(left: readonly BadRow[], { reject, refused }: CopyOrder): Promise<void> {
    if (left.length === 0) return;
    const facts = await factsOf(this.means.questions, this.wanted, left).catch((error: unknown) => this.fail(error));
    const badRows = new BadRows(this.plan.badRows, reject, refused);
    for (const { fault, raw } of facts) badRows.leave(fault, raw);
  }

  /** The rows in the file's order. While a chunk is being worked on, DuckDB already makes the next one. */
  private async *chunks(signal?: AbortSignal): AsyncGenerator<DuckDBDataChunk> {
    const reclaimer = new ChunkReclaimer();
    const result = await this.means.session.stream(rowsQuery(this.wanted)).catch((error: unknown) => this.fail(error));
    for (let next = fetched(result); ;) {
      signal?.throwIfAborted();
      const chunk = await next.catch((error: unknown) => this.fail(error));
      if (chunk === null || chunk.rowCount === 0) return;
      next = fetched(result);
      yield chunk;
      if (reclaimer.passed(chunk)) await setImmediate();
    }
  }

  private async fail(error: unknown): Promise<never> {
    throw await unreadable(this.file, error);
  }
}

/** Nobody may come to look at it: its error is told where it is awaited, if at all. */
function fetched(result: DuckDBResult): Promise<DuckDBDataChunk | null> {
  const chunk = result.fetchChunk();
  chunk.catch(() => undefined);
  return chunk;
}
