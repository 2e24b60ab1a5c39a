import duckdb from '@duckdb/node-bindings';

const WINDOW_BYTES = 1024 * 1024;
const MARGIN_BYTES = 64 * 1024;
const TWO_32 = 4294967296;

/**
 * Reads strings that lie outside their vector. A call into the bindings per string would cost more than all the rest of a load, so a
 * window of memory around the wanted string is mapped once, and the strings near it are read through it. The bindings copy nothing:
 * bytes of the window that are not ours are never looked at. Only valid while the chunk is held.
 */
export class StringHeap {
  bytes: Uint8Array = new Uint8Array(0);
  private from = 0;
  private to = 0;
  private readonly pointer = new ArrayBuffer(8);
  private readonly pointerView = new DataView(this.pointer);

  /** The place in `bytes` of the string of `length` bytes at the address given in halves. */
  find(low: number, high: number, length: number): number {
    const address = high * TWO_32 + low;
    if (address < this.from || address + length > this.to) this.map(address, length);
    return address - this.from;
  }

  forget(): void {
    this.bytes = new Uint8Array(0);
    this.from = this.to = 0;
  }

  private map(address: number, length: number): void {
    this.from = address - MARGIN_BYTES;
    const size = MARGIN_BYTES + Math.max(WINDOW_BYTES, length);
    this.to = this.from + size;
    this.pointerView.setUint32(0, this.from % TWO_32, true);
    this.pointerView.setUint32(4, Math.floor(this.from / TWO_32), true);
    this.bytes = duckdb.get_data_from_pointer(this.pointer, 0, size);
  }
}
