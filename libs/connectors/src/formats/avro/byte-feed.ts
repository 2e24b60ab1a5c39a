import type { Readable } from 'node:stream';
import { BeyondLimit, BrokenAvro } from './avro-faults';

/** Takes bytes from a stream, as many as are wanted at a time; holds no more than that and one piece of the stream. */
export class ByteFeed {
  private readonly pieces: AsyncIterator<Buffer, undefined>;
  private rest: Buffer = Buffer.alloc(0);

  constructor(stream: Readable) {
    this.pieces = (stream as AsyncIterable<Buffer, undefined>)[Symbol.asyncIterator]();
  }

  /** Whether there is at least one byte left. */
  async more(): Promise<boolean> {
    while (this.rest.length === 0) {
      const { value } = await this.pieces.next();
      if (value === undefined) return false;
      this.rest = value;
    }
    return true;
  }

  async take(count: number): Promise<Buffer> {
    const parts: Buffer[] = [];
    for (let missing = count; missing > 0;) {
      if (!(await this.more())) throw new BrokenAvro('the file ends too early');
      const part = this.rest.subarray(0, missing);
      this.rest = this.rest.subarray(part.length);
      missing -= part.length;
      parts.push(part);
    }
    return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
  }

  /** A number in Avro's variable form that things can be counted with. */
  async long(): Promise<number> {
    let value = 0;
    for (let factor = 1; factor <= 128 ** 6; factor *= 128) {
      const byte = (await this.take(1))[0] as number;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
    }
    throw new BrokenAvro('a number of records or bytes is too large');
  }

  /** A number of things, from 0; `mostBytes` where it is bytes that are counted. */
  async count(mostBytes = Infinity): Promise<number> {
    const value = await this.long();
    if (value < 0) throw new BrokenAvro(`${value} is no number of records or bytes`);
    if (value > mostBytes)
      throw new BeyondLimit(`a block of ${value} bytes is longer than ${mostBytes} (SLUICE_MAX_RECORD_BYTES)`);
    return value;
  }
}
