import { BrokenAvro, tooLong } from './avro-faults';

/**
 * Expands a block that Snappy compressed: the size of the result, then literals and copies of what has been written already.
 * Source: google/snappy, format_description.txt. Raises `BrokenAvro` when it is none.
 */
export function expandSnappy(from: Uint8Array, limit: number): Buffer {
  const [size, start] = varint(from);
  if (size > limit) throw tooLong(limit);
  const into = Buffer.alloc(size);
  let [at, written] = [start, 0];
  while (at < from.length) {
    const tag = from[at++] as number;
    const short = tag >> 2;
    const kind = tag & 3;
    // The length of a literal beyond 60 follows in 1 to 4 bytes; the offset of a copy in 1, 2 or 4, its three high bits in the tag of the first.
    const extra = kind === 0 ? Math.max(0, short - 59) : ([0, 1, 2, 4][kind] as number);
    const follows = little(from, at, extra);
    at += extra;
    const length = kind === 0 ? (extra === 0 ? short : follows) + 1 : kind === 1 ? (short & 7) + 4 : short + 1;
    const source = kind === 0 ? at : written - (kind === 1 ? ((tag >> 5) << 8) | follows : follows);
    const end = kind === 0 ? from.length : written;
    if (written + length > size || source < 0 || source >= end)
      throw new BrokenAvro('its Snappy data points outside of itself');
    if (kind === 0) {
      if (source + length > end) throw new BrokenAvro('its Snappy data ends within a literal');
      into.set(from.subarray(source, source + length), written);
      at += length;
    } else for (let i = 0; i < length; i++) into[written + i] = into[source + i] as number;
    written += length;
  }
  if (written !== size) throw new BrokenAvro(`its Snappy data has ${written} bytes and not the ${size} it promises`);
  return into;
}

function varint(from: Uint8Array): [value: number, next: number] {
  let value = 0;
  for (let at = 0; at < Math.min(5, from.length); at++) {
    const byte = from[at] as number;
    value += (byte & 0x7f) * 128 ** at;
    if (byte < 0x80) return [value, at + 1];
  }
  throw new BrokenAvro('its Snappy data does not begin with its size');
}

function little(from: Uint8Array, at: number, bytes: number): number {
  if (at + bytes > from.length) throw new BrokenAvro('its Snappy data ends too early');
  let value = 0;
  for (let i = 0; i < bytes; i++) value += (from[at + i] as number) * 256 ** i;
  return value;
}
