/** Reads bits, the first one highest. Past the end it reads zeros; `isPast` tells. */
export class BitReader {
  /** The next bit. */
  at = 0;
  private bytes: Buffer = Buffer.alloc(0);

  /** Bits there are. */
  get end(): number {
    return this.bytes.length * 8;
  }

  get isPast(): boolean {
    return this.at > this.end;
  }

  /** At most 24 bits, which stay. */
  peek(count: number): number {
    const { bytes, at } = this;
    const from = at >>> 3;
    const word =
      ((bytes[from] as number) << 24) |
      ((bytes[from + 1] as number) << 16) |
      ((bytes[from + 2] as number) << 8) |
      (bytes[from + 3] as number);
    return (word << (at & 7)) >>> (32 - count);
  }

  /** At most 24 bits. */
  take(count: number): number {
    const value = this.peek(count);
    this.at += count;
    return value;
  }

  take32(): number {
    return ((this.take(16) << 16) | this.take(16)) >>> 0;
  }

  /** Six bytes, which begin blocks and end streams. */
  take48(): number {
    return this.take(24) * 0x1000000 + this.take(24);
  }

  alignToByte(): void {
    this.at = Math.ceil(this.at / 8) * 8;
  }

  /** Forgets what has been read and goes on with `more`. */
  append(more: readonly Buffer[]): void {
    const used = this.at >>> 3;
    this.bytes = Buffer.concat([this.bytes.subarray(used), ...more]);
    this.at -= used * 8;
  }
}
