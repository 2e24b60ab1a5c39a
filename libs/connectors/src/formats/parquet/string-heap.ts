import duckdb from '@duckdb/node-bindings';

const TWO_32 = 4294967296;
/** Strings up to this many bytes are kept in the vector itself. */
export const INLINE_BYTES = 12;
/**
 * The bindings copy the bytes asked for, so none may be asked for that is not mapped. Two addresses less than a page apart lie on one page
 * or on two neighbouring ones, both in use: the bytes between them can be read. No system has smaller pages than this.
 */
const PAGE_BYTES = 4096;

interface Block {
  from: number;
  to: number;
  bytes: Uint8Array;
}

/**
 * The strings of one vector that lie outside it. A call into the bindings per string would cost more than all the rest of a load; strings
 * close to each other, which is what a vector's strings are, are fetched together.
 */
export class StringHeap {
  private blocks: Block[] = [];
  private current: Block = { from: 0, to: 0, bytes: new Uint8Array(0) };
  private readonly pointer = new ArrayBuffer(8);
  private readonly pointerView = new DataView(this.pointer);

  /** Fetches all long strings of a vector of DuckDB's 16-byte strings. NULL rows hold no string: `isNull` keeps them out. */
  fetch(vector: DataView, rows: number, isNull: (row: number) => boolean): void {
    this.blocks = [];
    const ends = new Map<number, number>();
    for (let row = 0; row < rows; row++) {
      const length = vector.getUint32(row * 16, true);
      if (length <= INLINE_BYTES || isNull(row)) continue;
      const address = addressAt(vector, row);
      ends.set(address, Math.max(ends.get(address) ?? 0, address + length));
    }
    this.group(Float64Array.from(ends.keys()).sort(), ends);
    this.current = this.blocks[0] ?? this.current;
  }

  /** The block with the string of the given row; `start` of it is `place - block.from`. */
  blockOf(address: number): Block {
    const { current } = this;
    if (address >= current.from && address < current.to) return current;
    let [low, high] = [0, this.blocks.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.blocks[middle] as Block).from <= address) low = middle;
      else high = middle - 1;
    }
    return (this.current = this.blocks[low] as Block);
  }

  private group(addresses: Float64Array, ends: Map<number, number>): void {
    let [from, to] = [0, 0];
    for (const address of addresses) {
      const end = ends.get(address) ?? address;
      if (to !== 0 && address - to >= PAGE_BYTES) this.copy(from, to);
      if (to === 0 || address - to >= PAGE_BYTES) [from, to] = [address, end];
      else to = Math.max(to, end);
    }
    if (to !== 0) this.copy(from, to);
  }

  private copy(from: number, to: number): void {
    this.pointerView.setUint32(0, from % TWO_32, true);
    this.pointerView.setUint32(4, Math.floor(from / TWO_32), true);
    this.blocks.push({ from, to, bytes: duckdb.get_data_from_pointer(this.pointer, 0, to - from) });
  }
}

/** User addresses have at most 48 bits, so they are exact as numbers. */
export function addressAt(vector: DataView, row: number): number {
  return vector.getUint32(row * 16 + 12, true) * TWO_32 + vector.getUint32(row * 16 + 8, true);
}
