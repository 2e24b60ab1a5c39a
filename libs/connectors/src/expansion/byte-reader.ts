import { BadData, ENDS_EARLY } from './bad-data';
import type { Chunks } from './chunks';

/** Takes an exact number of bytes at a time from a stream of chunks. */
export class ByteReader {
  private readonly source: AsyncIterator<Buffer>;
  private chunk: Buffer = Buffer.alloc(0);

  constructor(chunks: Chunks) {
    this.source = chunks[Symbol.asyncIterator]();
  }

  /** Raises `BadData` when there are fewer. Small amounts only: they are kept in memory. */
  async take(count: number): Promise<Buffer> {
    if (this.chunk.length < count) await this.gather(count);
    const taken = this.chunk.subarray(0, count);
    this.chunk = this.chunk.subarray(count);
    return taken;
  }

  async skip(count: number): Promise<void> {
    let left = count;
    while (left > this.chunk.length) {
      left -= this.chunk.length;
      this.chunk = await this.next();
    }
    this.chunk = this.chunk.subarray(left);
  }

  async atEnd(): Promise<boolean> {
    while (this.chunk.length === 0) {
      const next = await this.source.next();
      if (next.done === true) return true;
      this.chunk = next.value;
    }
    return false;
  }

  /** Closes the source. */
  async close(): Promise<void> {
    await this.source.return?.();
  }

  private async gather(count: number): Promise<void> {
    const parts = [this.chunk];
    for (let have = this.chunk.length; have < count;) {
      const part = await this.next();
      parts.push(part);
      have += part.length;
    }
    this.chunk = Buffer.concat(parts);
  }

  private async next(): Promise<Buffer> {
    const next = await this.source.next();
    if (next.done === true) throw new BadData(ENDS_EARLY);
    return next.value;
  }
}
