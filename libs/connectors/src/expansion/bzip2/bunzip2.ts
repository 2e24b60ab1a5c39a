import { BadData, ENDS_EARLY, GOES_ON } from '../bad-data';
import type { Chunks } from '../chunks';
import { BitReader } from './bit-reader';
import { type Block, decodeBlock } from './block';
import { blockBytes } from './runs';

const BLOCK = 0x314159265359;
const END = 0x177245385090;
/** More than any encoder needs for a block of the largest size; a stranger one is read in more than one try. */
const BLOCK_BYTES = 1024 * 1024;
/** A block can be drawn out without an end. */
const MOST_BYTES = 8 * BLOCK_BYTES;
/** How far the decoder looks ahead. */
const LOOK_BITS = 24;

/** Bzip2, of one or more streams, block by block. Block and stream checksums are verified. */
export async function* bunzip2(chunks: Chunks): AsyncGenerator<Buffer> {
  const source = new BitSource(chunks);
  try {
    for (let first = true; first || !(await source.atEnd()); first = false) yield* stream(source, first);
  } finally {
    await source.close();
  }
}

async function* stream(source: BitSource, first: boolean): AsyncGenerator<Buffer> {
  const limit = (await source.read((bits) => blockSize(bits, first))) * 100_000;
  const links = source.links(limit);
  let checksum = 0;
  for (;;) {
    const block = await source.read((bits) => nextBlock(bits, links, limit));
    if (typeof block === 'number') return void assertSame(block, checksum);
    const found = yield* blockBytes(block);
    assertSame(block.checksum, found);
    checksum = (((checksum << 1) | (checksum >>> 31)) ^ found) >>> 0;
  }
}

function blockSize(bits: BitReader, first: boolean): number {
  const isMagic = bits.take(24) === 0x425a68;
  const size = bits.take(8) - 0x30;
  if (!isMagic || size < 1 || size > 9) throw new BadData(first ? 'it does not begin as bzip2 does' : GOES_ON);
  return size;
}

/** A block, or at the end of the stream its checksum. */
function nextBlock(bits: BitReader, links: Uint32Array, limit: number): Block | number {
  const magic = bits.take48();
  if (magic === BLOCK) return decodeBlock(bits, links, limit);
  if (magic !== END) throw new BadData('it is broken (no block where one should begin)');
  const checksum = bits.take32();
  bits.alignToByte();
  return checksum;
}

function assertSame(said: number, found: number): void {
  if (said !== found) throw new BadData('its checksum is another');
}

/** Bits that are waited for. */
class BitSource {
  private readonly bits = new BitReader();
  private readonly source: AsyncIterator<Buffer>;
  private ended = false;
  private room = new Uint32Array(0);

  constructor(chunks: Chunks) {
    this.source = chunks[Symbol.asyncIterator]();
  }

  /** Memory for one block at a time, used again by each stream. */
  links(limit: number): Uint32Array {
    if (this.room.length < limit) this.room = new Uint32Array(limit);
    return this.room;
  }

  async atEnd(): Promise<boolean> {
    await this.have(1);
    return this.bits.at >= this.bits.end;
  }

  /** `step` is done again from its beginning when it needed more than there was. */
  async read<T>(step: (bits: BitReader) => T): Promise<T> {
    for (let wanted = BLOCK_BYTES; ; wanted *= 2) {
      await this.have(wanted);
      const from = this.bits.at;
      try {
        const result = step(this.bits);
        if (!this.bits.isPast) return result;
      } catch (error) {
        const mayBeCut = this.bits.at + LOOK_BITS > this.bits.end && !(this.ended && !this.bits.isPast);
        if (!mayBeCut) throw error;
      }
      if (this.ended || wanted > MOST_BYTES) throw new BadData(this.ended ? ENDS_EARLY : 'a block is too long');
      this.bits.at = from;
    }
  }

  async close(): Promise<void> {
    await this.source.return?.();
  }

  private async have(bytes: number): Promise<void> {
    const more: Buffer[] = [];
    for (let left = this.bits.end / 8 - this.bits.at / 8; left < bytes && !this.ended;) {
      const next = await this.source.next();
      this.ended = next.done === true;
      if (next.done === true) break;
      more.push(next.value);
      left += next.value.length;
    }
    if (more.length > 0) this.bits.append(more);
  }
}
