import { BeyondLimit, BrokenAvro } from './avro-faults';

export interface TapLimits {
  /** Longest value, in characters of its JSON. */
  recordBytes: number;
  depth: number;
}

/** Reads Avro's binary encoding from one block, never beyond its end. Source: Apache Avro specification, "Binary Encoding". */
export class AvroTap {
  private at = 0;
  private depth = 0;
  private readonly view: DataView;

  constructor(
    private readonly bytes: Buffer,
    private readonly limits: TapLimits,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.bytes.length - this.at;
  }

  boolean(): boolean {
    const byte = this.bytes[this.advance(1)];
    if (byte !== 0 && byte !== 1) throw new BrokenAvro(`the byte ${byte} is no boolean`);
    return byte === 1;
  }

  /** A whole number of 64 bits: a `number` where that is exact, else a `bigint`. */
  long(): number | bigint {
    let value = 0;
    let factor = 1;
    // Seven bytes of seven bits stay exact in a double.
    for (let count = 0; count < 7; count++) {
      const byte = this.bytes[this.advance(1)] as number;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
      factor *= 128;
    }
    return this.restOfLong(BigInt(value));
  }

  int(): number {
    const value = this.long();
    if (typeof value === 'bigint' || (value | 0) !== value) throw new BrokenAvro(`${value} is no int`);
    return value;
  }

  /** The index of a branch or symbol. */
  index(count: number): number {
    const index = this.long();
    if (typeof index === 'number' && index >= 0 && index < count) return index;
    throw new BrokenAvro(`there is no choice ${index} of ${count}`);
  }

  float(): number {
    return this.view.getFloat32(this.advance(4), true);
  }

  double(): number {
    return this.view.getFloat64(this.advance(8), true);
  }

  fixed(size: number): Buffer {
    const from = this.advance(size);
    return this.bytes.subarray(from, from + size);
  }

  /** Bytes, or the UTF-8 of a string: their number and they themselves. */
  sized(): Buffer {
    const size = this.long();
    if (typeof size !== 'number' || size < 0) throw new BrokenAvro(`${size} is no length`);
    return this.fixed(size);
  }

  /** Calls `item` for each item of an array or map. */
  items(item: () => void): void {
    for (let count = this.long(); count !== 0; count = this.long()) {
      if (typeof count !== 'number') throw new BrokenAvro(`${count} is no number of items`);
      // A negative number is followed by the size of the block in bytes, which is only of use to those who skip it.
      if (count < 0) this.long();
      for (let left = Math.abs(count); left > 0; left--) item();
    }
  }

  /** Reads a value within another one. */
  nested<T>(read: () => T): T {
    if (++this.depth > this.limits.depth)
      throw new BeyondLimit(`values lie more than ${this.limits.depth} deep (SLUICE_MAX_DEPTH)`);
    const value = read();
    this.depth--;
    return value;
  }

  /** Items may have no bytes at all, so a few bytes can stand for any number of them. */
  assertShort(json: string): void {
    if (json.length > this.limits.recordBytes)
      throw new BeyondLimit(`a value is longer than ${this.limits.recordBytes} bytes (SLUICE_MAX_RECORD_BYTES)`);
  }

  private restOfLong(low: bigint): number | bigint {
    let value = low;
    for (let shift = 49n; shift < 70n; shift += 7n) {
      const byte = this.bytes[this.advance(1)] as number;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return zigzag(value);
    }
    throw new BrokenAvro('a number has more than ten bytes');
  }

  /** Where `count` bytes begin that are passed over. */
  private advance(count: number): number {
    const from = this.at;
    if (count > this.left) throw new BrokenAvro('a value ends beyond its block');
    this.at = from + count;
    return from;
  }
}

function zigzag(value: bigint): number | bigint {
  if (value >= 2n ** 64n) throw new BrokenAvro('a number has more than 64 bits');
  const signed = value & 1n ? -((value + 1n) >> 1n) : value >> 1n;
  const short = Number(signed);
  return Number.isSafeInteger(short) ? short : signed;
}
