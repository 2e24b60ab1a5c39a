import type { LoadColumn } from '../../column';
import { RowTail } from '../../copy/row-tail';
import { BadRows } from '../bad-rows';
import { missingOf, requireKeys } from '../declared-columns';
import {
  type CopyOrder,
  type FileInput,
  type InferredColumn,
  type OpenedFile,
  type Refusal,
  rescues,
  type Sink,
} from '../format-reader';
import { AvroContainer } from './avro-container';
import { asBadFile, BeyondLimit, BrokenAvro } from './avro-faults';
import { type AvroLimits, inferredColumn } from './avro-file';
import { AvroRows, type WantedFields } from './avro-rows';
import { AvroTap } from './avro-tap';

/** Bytes collected before they are sent. */
const SEND_BYTES = 1024 * 1024;

export class OpenedAvro implements OpenedFile {
  readonly columns: readonly LoadColumn[];
  readonly declared: readonly InferredColumn[];

  constructor(
    private readonly file: FileInput,
    private readonly wanted: WantedFields,
    private readonly limits: AvroLimits,
  ) {
    this.columns = wanted.matches.map(({ target }) => target);
    this.declared = wanted.found.map(inferredColumn);
  }

  missing(): readonly string[] {
    return missingOf(this.wanted.found, this.wanted.plan);
  }

  async copyTo(order: CopyOrder): Promise<number> {
    requireKeys(this.file.path, this.wanted.found, this.wanted.plan);
    const rows = this.rows(order);
    await this.read(rows, order.sink, { until: Infinity, signal: order.signal });
    return rows.sent;
  }

  async locate(sent: number, refused: ReadonlyMap<number, Refusal>): Promise<{ record: number; line: null } | null> {
    const rows = this.rows({ loadId: 0n, numbered: false, reject: () => undefined, refused });
    await this.read(rows, () => Promise.resolve(true), { until: sent });
    return rows.sent === sent ? { record: rows.record, line: null } : null;
  }

  close(): void {
    // Nothing is held open between the calls.
  }

  private rows(order: Pick<CopyOrder, 'loadId' | 'numbered' | 'reject' | 'refused'>): AvroRows {
    const { plan } = this.wanted;
    const tail = new RowTail({ loadId: order.loadId, rescues: rescues(plan), numbered: order.numbered });
    return new AvroRows(this.wanted, tail, new BadRows(plan.badRows, order.reject, order.refused));
  }

  /** Reads until so many rows are written, or to the end. */
  private async read(rows: AvroRows, sink: Sink, stop: { until: number; signal?: AbortSignal }): Promise<void> {
    const stream = this.file.open();
    try {
      const container = await AvroContainer.open(this.file, stream, this.limits);
      for await (const { bytes, records } of container.blocks()) {
        const tap = new AvroTap(bytes, this.limits);
        for (let left = records; left > 0;) {
          stop.signal?.throwIfAborted();
          left -= this.some(rows, tap, left, stop.until);
          if (rows.out.position > 0) await rows.out.sendTo(sink);
          if (rows.sent >= stop.until) return;
        }
        if (tap.left > 0)
          throw asBadFile(this.file.path, rows.record, new BrokenAvro('its block holds more than that'));
      }
    } finally {
      stream.destroy();
    }
  }

  /** Writes rows until there is enough to send; returns how many records it took. */
  private some(rows: AvroRows, tap: AvroTap, most: number, until: number): number {
    let taken = 0;
    try {
      while (taken < most && rows.out.position < SEND_BYTES && rows.sent < until) {
        rows.next(tap);
        taken++;
      }
      return taken;
    } catch (error) {
      // The engine's own word for a stack that is full.
      const tooDeep = error instanceof RangeError;
      const fault = tooDeep ? new BeyondLimit('values lie deeper than this process can follow') : error;
      throw asBadFile(this.file.path, rows.record, fault);
    }
  }
}
