import duckdb from '@duckdb/node-bindings';

const TWO_32 = 4294967296;
/** Strings up to this many bytes are kept in the vector itself. */
export const INLINE_BYTES = 12;
/**
 * The bindings copy the bytes asked for, so none may be asked for that is not mapped. Two addresses less than a page apart lie on one page
 * or on two neighbouring ones, both in use: the bytes between them can be read. No system has smaller pages than this.
 */
const PAGE_BYTES = 4096;
/** Ascending addresses in a row that are worth more than sorting all. */
const MAX_RUNS = 16;
/** The most rows DuckDB puts into one vector. */
const VECTOR_ROWS = 2048;

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
  /** The long strings of the vector, `count` of them. */
  private readonly froms = new Float64Array(VECTOR_ROWS);
  private readonly ends = new Float64Array(VECTOR_ROWS);
  private count = 0;
  private index = 0;
  private readonly pointer = new ArrayBuffer(8);
  private readonly pointerView = new DataView(this.pointer);

  /** Fetches all long strings of a vector of DuckDB's 16-byte strings. NULL rows hold no string: `isNull` keeps them out. */
  fetch(vector: DataView, rows: number, isNull: (row: number) => boolean): void {
    this.blocks = [];
    this.count = 0;
    let turns = 0;
    for (let row = 0; row < rows; row++) {
      const length = vector.getUint32(row * 16, true);
      if (length <= INLINE_BYTES || isNull(row)) continue;
      const from = addressAt(vector, row);
      if (this.count > 0 && from < (this.froms[this.count - 1] as number)) turns++;
      this.froms[this.count] = from;
      this.ends[this.count++] = from + length;
    }
    // Most strings lie one after another, in a few runs; those of a dictionary in any order, and many times the same.
    if (turns > MAX_RUNS) this.sort();
    this.group();
    this.index = 0;
  }

  /**
   * The block with the string at `address`; its first byte is `address - block.from`. Strings are asked for in the order of their rows, so it is
   * mostly the block of the last one or the next.
   */
  blockOf(address: number): Block {
    const { blocks } = this;
    for (let tried = 0; tried < blocks.length; tried++) {
      const block = blocks[this.index] as Block;
      if (address >= block.from && address < block.to) return block;
      this.index = this.index + 1 === blocks.length ? 0 : this.index + 1;
    }
    throw new Error('a string that was not fetched is asked for');
  }

  private sort(): void {
    const ends = new Map<number, number>();
    for (let i = 0; i < this.count; i++) {
      const [from, end] = [this.froms[i] as number, this.ends[i] as number];
      if ((ends.get(from) ?? 0) < end) ends.set(from, end);
    }
    const froms = Float64Array.from(ends.keys()).sort();
    this.count = froms.length;
    this.froms.set(froms);
    froms.forEach((from, i) => (this.ends[i] = ends.get(from) ?? from));
  }

  private group(): void {
    let from = 0;
    let to = 0;
    for (let i = 0; i < this.count; i++) {
      const start = this.froms[i] as number;
      const end = this.ends[i] as number;
      const near = start >= from && start - to < PAGE_BYTES;
      if (to !== 0 && !near) this.copy(from, to);
      if (to === 0 || !near) {
        from = start;
        to = end;
      } else if (end > to) to = end;
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
