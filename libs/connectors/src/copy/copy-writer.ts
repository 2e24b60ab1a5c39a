import type { Sink } from './sink';

/**
 * Writes PostgreSQL's binary COPY format into a growing buffer: a signature, then per row a 16-bit field count and per field a 32-bit
 * length with that many bytes (-1: NULL), then a trailer. Big-endian throughout.
 * Source: PostgreSQL documentation, "COPY", section "Binary Format".
 */
const INITIAL_BYTES = 64 * 1024;
const TWO_32 = 4294967296;

export const COPY_SIGNATURE = Buffer.from('PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0', 'latin1');
export const COPY_TRAILER = Buffer.from([0xff, 0xff]);

export class CopyWriter {
  bytes = Buffer.alloc(0);
  view = new DataView(this.bytes.buffer, 0, 0);
  /** Where the next byte goes. */
  position = 0;
  rows = 0;
  private rowStart = 0;
  private capacity = INITIAL_BYTES;

  beginRow(fields: number): void {
    this.reserve(2);
    this.rowStart = this.position;
    this.view.setInt16(this.position, fields);
    this.position += 2;
  }

  endRow(): void {
    this.rows++;
  }

  /** Takes back what was written since `beginRow`. */
  dropRow(): void {
    this.position = this.rowStart;
  }

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    if (this.position + count <= this.bytes.length) return;
    while (this.capacity < this.position + count || this.capacity === this.bytes.length) this.capacity *= 2;
    const grown = Buffer.allocUnsafeSlow(this.capacity);
    this.bytes.copy(grown, 0, 0, this.position);
    this.bytes = grown;
    this.view = new DataView(grown.buffer);
  }

  /** Sends what is written; the next row begins a buffer of the same size, or the same again if it is free. */
  async sendTo(sink: Sink): Promise<void> {
    const { bytes, view } = this;
    const taken = this.take();
    if (!(await sink(taken))) return;
    this.bytes = bytes;
    this.view = view;
  }

  /** Hands over what is written; the next row begins a new buffer of the same size. */
  take(): Buffer {
    const taken = this.bytes.subarray(0, this.position);
    this.bytes = Buffer.alloc(0);
    this.view = new DataView(this.bytes.buffer, 0, 0);
    this.position = 0;
    return taken;
  }

  nothing(): void {
    this.reserve(4);
    this.view.setInt32(this.position, -1);
    this.position += 4;
  }

  boolean(value: boolean): void {
    this.reserve(5);
    this.view.setInt32(this.position, 1);
    this.bytes[this.position + 4] = value ? 1 : 0;
    this.position += 5;
  }

  int16(value: number): void {
    this.reserve(6);
    this.view.setInt32(this.position, 2);
    this.view.setInt16(this.position + 4, value);
    this.position += 6;
  }

  int32(value: number): void {
    this.reserve(8);
    this.view.setInt32(this.position, 4);
    this.view.setInt32(this.position + 4, value);
    this.position += 8;
  }

  /** A whole number within +-2^53. */
  int64(value: number): void {
    const high = Math.floor(value / TWO_32);
    this.int64Halves(high, value - high * TWO_32);
  }

  /** A 64-bit number as its signed high and unsigned low half. */
  int64Halves(high: number, low: number): void {
    this.reserve(12);
    this.view.setInt32(this.position, 8);
    this.view.setInt32(this.position + 4, high);
    this.view.setUint32(this.position + 8, low);
    this.position += 12;
  }

  bigint(value: bigint): void {
    this.reserve(12);
    this.view.setInt32(this.position, 8);
    this.view.setBigInt64(this.position + 4, value);
    this.position += 12;
  }

  float32(value: number): void {
    this.reserve(8);
    this.view.setInt32(this.position, 4);
    this.view.setFloat32(this.position + 4, value);
    this.position += 8;
  }

  float64(value: number): void {
    this.reserve(12);
    this.view.setInt32(this.position, 8);
    this.view.setFloat64(this.position + 4, value);
    this.position += 12;
  }

  /** The bytes `start..end` of `from` as they are. */
  raw(from: Uint8Array, start: number, end: number): void {
    const length = end - start;
    this.reserve(4 + length);
    this.view.setInt32(this.position, length);
    this.position += 4;
    this.append(from, start, end);
  }

  /** The bytes `start..end` as the text of a jsonb value: its version number (1) goes before them. */
  jsonb(from: Uint8Array, start: number, end: number): void {
    const length = end - start;
    this.reserve(5 + length);
    this.view.setInt32(this.position, length + 1);
    this.bytes[this.position + 4] = 1;
    this.position += 5;
    this.append(from, start, end);
  }

  private append(from: Uint8Array, start: number, end: number): void {
    const bytes = this.bytes;
    let position = this.position;
    // A loop beats a native copy below some tens of bytes, which is what most values are.
    if (end - start < 48) for (let i = start; i < end; i++) bytes[position++] = from[i] as number;
    else {
      bytes.set(from.subarray(start, end), position);
      position += end - start;
    }
    this.position = position;
  }
}

/** The last field of each row of a load: `_load_id` as a complete binary field would be, without its length. */
export function loadIdBytes(loadId: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(loadId);
  return bytes;
}
