import { BadData } from '../bad-data';
import type { BitReader } from './bit-reader';

const LONGEST = 20;
/** Codes up to this length are found by one look into a table. */
const SHORT = 10;

/** A canonical Huffman code: among codes of equal length, symbols go up. */
export class CodeTable {
  /** By the next 10 bits: symbol * 32 + length; 0: the code is longer. */
  private readonly short = new Uint16Array(1 << SHORT);
  /** By length: the first code beyond those of this length, widened to 20 bits. */
  private readonly beyond = new Int32Array(LONGEST + 1);
  /** By length: what to add to a code to get its place in `symbols`. */
  private readonly offset = new Int32Array(LONGEST + 1);
  private readonly symbols: Uint16Array;

  constructor(lengths: Uint8Array) {
    this.symbols = new Uint16Array(lengths.length);
    let code = 0;
    let place = 0;
    for (let length = 1; length <= LONGEST; length++, code <<= 1) {
      this.offset[length] = place - code;
      for (let symbol = 0; symbol < lengths.length; symbol++)
        if (lengths[symbol] === length) this.add(symbol, length, code++, place++);
      if (code > 1 << length) throw new BadData('it is broken (codes)');
      this.beyond[length] = code << (LONGEST - length);
    }
  }

  next(bits: BitReader): number {
    const window = bits.peek(LONGEST);
    const found = this.short[window >>> (LONGEST - SHORT)] as number;
    if (found === 0) return this.nextLong(bits, window);
    bits.at += found & 31;
    return found >>> 5;
  }

  private nextLong(bits: BitReader, window: number): number {
    for (let length = SHORT + 1; length <= LONGEST; length++) {
      if (window >= (this.beyond[length] as number)) continue;
      bits.at += length;
      return this.symbols[(window >>> (LONGEST - length)) + (this.offset[length] as number)] as number;
    }
    throw new BadData('it is broken (code)');
  }

  private add(symbol: number, length: number, code: number, place: number): void {
    this.symbols[place] = symbol;
    if (length > SHORT) return;
    const from = code << (SHORT - length);
    this.short.fill((symbol << 5) | length, from, from + (1 << (SHORT - length)));
  }
}
