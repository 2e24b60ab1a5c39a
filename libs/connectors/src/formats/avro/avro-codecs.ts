import { promisify } from 'node:util';
import { crc32, inflateRaw } from 'node:zlib';
import { bunzip2 } from '../../expansion/bzip2/bunzip2';
import type { Chunks } from '../../expansion/chunks';
import { unzstd } from '../../expansion/zstd/unzstd';
import { BrokenAvro, tooLong } from './avro-faults';
import { expandSnappy } from './snappy';

/** Expands one block. Raises `BeyondLimit` when that is longer than `limit`, anything else when the block is broken. */
export type Codec = (block: Buffer, limit: number) => Promise<Buffer>;

/** By their names in a file's header (`avro.codec`). */
export const AVRO_CODECS: Readonly<Partial<Record<string, Codec>>> = {
  null: (block) => Promise.resolve(block),
  deflate,
  snappy: (block, limit) => Promise.resolve(checkedSnappy(block, limit)),
  zstandard: (block, limit) => collected(unzstd(alone(block)), limit),
  bzip2: (block, limit) => collected(bunzip2(alone(block)), limit),
};

const inflate = promisify(inflateRaw) as (block: Buffer, options: { maxOutputLength: number }) => Promise<Buffer>;

function deflate(block: Buffer, limit: number): Promise<Buffer> {
  return inflate(block, { maxOutputLength: limit }).catch((error: unknown) => {
    throw (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE' ? tooLong(limit) : error;
  });
}

/** Avro puts the checksum of the expanded bytes behind them. */
function checkedSnappy(block: Buffer, limit: number): Buffer {
  if (block.length < 4) throw new BrokenAvro('its Snappy data ends too early');
  const expanded = expandSnappy(block.subarray(0, -4), limit);
  if (crc32(expanded) !== block.readUInt32BE(block.length - 4)) throw new BrokenAvro('its checksum differs');
  return expanded;
}

// eslint-disable-next-line @typescript-eslint/require-await -- those who expand take what comes piece by piece.
async function* alone(block: Buffer): AsyncGenerator<Buffer> {
  yield block;
}

async function collected(chunks: Chunks, limit: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of chunks) {
    size += part.length;
    if (size > limit) throw tooLong(limit);
    parts.push(part);
  }
  return Buffer.concat(parts);
}
