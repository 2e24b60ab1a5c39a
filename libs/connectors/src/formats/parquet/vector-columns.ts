import duckdb from '@duckdb/node-bindings';
import type { CopyWriter } from '../../copy/copy-writer';
import type { TextEncoder } from '../../copy/text-values';
import { addressAt, INLINE_BYTES, StringHeap } from './string-heap';

/** Writes values of one column from DuckDB's memory into the COPY buffer. */
export abstract class VectorColumn {
  private validity: Uint8Array | null = null;

  /** Copies the next vector out of DuckDB's memory. */
  take(vector: duckdb.Vector, rows: number): void {
    this.validity = duckdb.vector_get_validity(vector, Math.ceil(rows / 64) * 8);
    this.attach(duckdb.vector_get_data(vector, rows * this.width), rows);
  }

  /** False: the value cannot be written unchanged, and nothing was. */
  write(row: number, out: CopyWriter): boolean {
    if (!this.isNull(row)) return this.put(row, out);
    out.nothing();
    return true;
  }

  /** The text of a value that `write` refused; empty for NULL. */
  abstract text(row: number): string;

  isNull(row: number): boolean {
    const { validity } = this;
    return validity !== null && ((validity[row >> 3] as number) & (1 << (row & 7))) === 0;
  }

  protected abstract readonly width: number;
  protected abstract attach(data: Uint8Array, rows: number): void;
  protected abstract put(row: number, out: CopyWriter): boolean;
}

/** Writes the value of a row; never refuses. */
export type Put = (view: DataView, row: number, out: CopyWriter) => void;

export class FixedColumn extends VectorColumn {
  private view: DataView = new DataView(new ArrayBuffer(0));

  constructor(
    protected readonly width: number,
    private readonly putValue: Put,
  ) {
    super();
  }

  text(): string {
    throw new Error('values of fixed width are never refused');
  }

  protected attach(data: Uint8Array): void {
    this.view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  }

  protected put(row: number, out: CopyWriter): boolean {
    this.putValue(this.view, row, out);
    return true;
  }
}

/** DuckDB's strings: 16 bytes with the length and either up to 12 bytes of text or a pointer to it. */
export class TextColumn extends VectorColumn {
  protected readonly width = 16;
  private data: Uint8Array = new Uint8Array(0);
  private view: DataView = new DataView(new ArrayBuffer(0));
  private readonly heap = new StringHeap();

  constructor(private readonly encode: TextEncoder) {
    super();
  }

  text(row: number): string {
    if (this.isNull(row)) return '';
    const length = this.view.getUint32(row * 16, true);
    if (length <= INLINE_BYTES) return textOf(this.data, row * 16 + 4, length);
    const address = addressAt(this.view, row);
    const { bytes, from } = this.heap.blockOf(address);
    return textOf(bytes, address - from, length);
  }

  protected attach(data: Uint8Array, rows: number): void {
    this.data = data;
    this.view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    this.heap.fetch(this.view, rows, (row) => this.isNull(row));
  }

  protected put(row: number, out: CopyWriter): boolean {
    const length = this.view.getUint32(row * 16, true);
    if (length <= INLINE_BYTES) return this.encode(out, this.data, row * 16 + 4, row * 16 + 4 + length);
    const address = addressAt(this.view, row);
    const { bytes, from } = this.heap.blockOf(address);
    return this.encode(out, bytes, address - from, address - from + length);
  }
}

function textOf(bytes: Uint8Array, start: number, length: number): string {
  return Buffer.from(bytes.subarray(start, start + length)).toString();
}
