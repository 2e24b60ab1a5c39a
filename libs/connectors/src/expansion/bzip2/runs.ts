import type { Block } from './block';

const CHUNK_BYTES = 1024 * 1024;
/** Four equal bytes are followed by how many more of them there are. */
const RUN = 4;
const LONGEST_REPEAT = 255;
const CRC = crcTable();

/** The bytes of a block, in pieces of about 1 MiB (a block of 900 kB may hold 46 MB). Returns their checksum. */
export function* blockBytes({ links, start, length }: Block): Generator<Buffer, number> {
  let crc = -1;
  let link = start;
  let run = 0;
  let previous = -1;
  for (let left = length; left > 0;) {
    const output = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, left * 52) + LONGEST_REPEAT);
    let used = 0;
    for (const full = output.length - LONGEST_REPEAT; left > 0 && used < full; left--) {
      const entry = links[link] as number;
      const byte = entry & 255;
      link = entry >>> 8;
      if (run === RUN) {
        output.fill(previous, used, used + byte);
        used += byte;
        run = 0;
        previous = -1;
        continue;
      }
      run = byte === previous ? run + 1 : 1;
      previous = byte;
      output[used++] = byte;
    }
    crc = addToCrc(crc, output, used);
    yield output.subarray(0, used);
  }
  return ~crc >>> 0;
}

function addToCrc(from: number, bytes: Buffer, length: number): number {
  let crc = from;
  for (let at = 0; at < length; at++) crc = (crc << 8) ^ (CRC[((crc >>> 24) ^ (bytes[at] as number)) & 255] as number);
  return crc;
}

/** The polynomial of zlib's CRC-32, but with the highest bit first. */
function crcTable(): Int32Array {
  return Int32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte << 24;
    for (let bit = 0; bit < 8; bit++) crc = crc < 0 ? (crc << 1) ^ 0x04c11db7 : crc << 1;
    return crc;
  });
}
