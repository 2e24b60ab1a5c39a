import { BadData } from '../bad-data';
import type { BitReader } from './bit-reader';
import { CodeTable } from './code-table';

const GROUP = 50;
const broken = (what: string) => new BadData(`it is broken (${what})`);

/** A block of which the sorting is undone by following the chain: each link is `next place * 256 + byte`. */
export interface Block {
  checksum: number;
  links: Uint32Array;
  start: number;
  length: number;
}

/**
 * Decodes one block, whose magic number has been taken, into `links`, which holds at least one place per byte that the stream's block
 * size allows. Reads zeros past the end of `bits`, and may then find the block broken: the caller asks `bits` first.
 */
export function decodeBlock(bits: BitReader, links: Uint32Array, limit: number): Block {
  const checksum = bits.take32();
  if (bits.take(1) === 1) throw new BadData('it was made by a bzip2 older than 0.9.5');
  const origin = bits.take(24);
  const bytes = usedBytes(bits);
  const tableCount = bits.take(3);
  if (bytes.length === 0 || tableCount < 2 || tableCount > 6) throw broken('tables');
  const selectors = readSelectors(bits, tableCount);
  const tables = Array.from({ length: tableCount }, () => new CodeTable(readLengths(bits, bytes.length + 2)));
  const counts = new Uint32Array(256);
  const length = readSymbols(bits, bytes, new TableOrder(tables, selectors), links, counts, limit);
  if (origin >= length) throw broken('origin');
  chain(links, counts, length);
  return { checksum, links, start: (links[origin] as number) >>> 8, length };
}

/** The bytes that occur, by two levels of 16 flags. */
function usedBytes(bits: BitReader): Uint8Array {
  const used: number[] = [];
  const ranges = bits.take(16);
  for (let range = 0; range < 16; range++) {
    if (((ranges >> (15 - range)) & 1) === 0) continue;
    const flags = bits.take(16);
    for (let low = 0; low < 16; low++) if (((flags >> (15 - low)) & 1) === 1) used.push(range * 16 + low);
  }
  return Uint8Array.from(used);
}

/** Which table each group of 50 symbols uses; told by its place in a list of those used last. */
function readSelectors(bits: BitReader, tableCount: number): Uint8Array {
  const selectors = new Uint8Array(bits.take(15));
  const recent = Uint8Array.from({ length: tableCount }, (_, table) => table);
  for (let at = 0; at < selectors.length && !bits.isPast; at++) {
    let place = 0;
    while (bits.take(1) === 1) if (++place >= tableCount) throw broken('selectors');
    const table = recent[place] as number;
    recent.copyWithin(1, 0, place);
    recent[0] = selectors[at] = table;
  }
  return selectors;
}

/** Each length is told by its difference to the one before. */
function readLengths(bits: BitReader, symbols: number): Uint8Array {
  const lengths = new Uint8Array(symbols);
  let length = bits.take(5);
  for (let symbol = 0; symbol < symbols; symbol++) {
    while (bits.take(1) === 1) {
      length += bits.take(1) === 0 ? 1 : -1;
      if (length < 1 || length > 20) throw broken('lengths');
    }
    if (length < 1 || length > 20) throw broken('lengths');
    lengths[symbol] = length;
  }
  return lengths;
}

class TableOrder {
  private at = 0;

  constructor(
    private readonly tables: readonly CodeTable[],
    private readonly selectors: Uint8Array,
  ) {}

  next(bits: BitReader): CodeTable {
    const table = this.tables[this.selectors[this.at++] ?? -1];
    if (table === undefined || bits.isPast) throw broken('groups');
    return table;
  }
}

/**
 * Undoes Huffman, the runs of the most recent byte (counted by digits 1 and 2, the lowest first) and move-to-front. One function for the
 * sake of speed: nine tenths of the time are spent here and in `chain`.
 */
function readSymbols(
  bits: BitReader,
  bytes: Uint8Array,
  order: TableOrder,
  links: Uint32Array,
  counts: Uint32Array,
  limit: number,
): number {
  const recent = Uint8Array.from(bytes);
  const endOfBlock = bytes.length + 1;
  let length = 0;
  let digit = 1;
  let table = order.next(bits);
  for (let left = GROUP; ; left--) {
    if (left === 0) {
      table = order.next(bits);
      left = GROUP;
    }
    const symbol = table.next(bits);
    if (symbol <= 1) {
      const run = digit << symbol;
      digit <<= 1;
      if (length + run > limit) throw broken('run');
      const byte = recent[0] as number;
      (counts[byte] as number) += run;
      for (const end = length + run; length < end;) links[length++] = byte;
      continue;
    }
    if (symbol === endOfBlock) return length;
    digit = 1;
    if (length >= limit) throw broken('block too long');
    const place = symbol - 1;
    const byte = recent[place] as number;
    for (let at = place; at > 0; at--) recent[at] = recent[at - 1] as number;
    recent[0] = byte;
    (counts[byte] as number)++;
    links[length++] = byte;
  }
}

/** Undoes the Burrows-Wheeler transform: adds to each byte the place of the one that follows it. */
function chain(links: Uint32Array, counts: Uint32Array, length: number): void {
  let sum = 0;
  for (let byte = 0; byte < 256; byte++) {
    const count = counts[byte] as number;
    counts[byte] = sum;
    sum += count;
  }
  for (let at = 0; at < length; at++) {
    const byte = (links[at] as number) & 255;
    (links[(counts[byte] as number)++] as number) |= at << 8;
  }
}
