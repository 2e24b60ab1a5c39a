import { pipeline, Readable } from 'node:stream';
import { createGunzip, createInflateRaw, type Gunzip, type InflateRaw, type ZlibOptions } from 'node:zlib';
import { BadData, ENDS_EARLY, GOES_ON } from './bad-data';
import type { Chunks } from './chunks';

const CHUNK_BYTES = 1024 * 1024;
/** Several pieces in stock keep zlib's thread busy while the reader works on one. */
const OPTIONS: ZlibOptions & { readableHighWaterMark: number } = {
  chunkSize: CHUNK_BYTES,
  readableHighWaterMark: 4 * CHUNK_BYTES,
};

/** Gzip, of one or more members. */
export function gunzip(chunks: Chunks): AsyncGenerator<Buffer> {
  return inflated(chunks, createGunzip(OPTIONS));
}

/** Deflated data without a wrapper, as zip holds them. */
export function inflateRaw(chunks: Chunks): AsyncGenerator<Buffer> {
  return inflated(chunks, createInflateRaw(OPTIONS));
}

async function* inflated(chunks: Chunks, inflate: Gunzip | InflateRaw): AsyncGenerator<Buffer> {
  const given = { bytes: 0, all: false };
  // The error reaches whoever reads the end of the pipeline; the callback is only there to own it.
  pipeline(Readable.from(counted(chunks, given), { highWaterMark: 1 }), inflate, () => undefined);
  try {
    yield* inflate as AsyncIterable<Buffer>;
  } catch (error) {
    throw asBadData(error);
  } finally {
    inflate.destroy();
  }
  // zlib stops at a zero after a member and calls it the end, whatever comes then.
  if (!given.all || given.bytes !== inflate.bytesWritten) throw new BadData(GOES_ON);
}

async function* counted(chunks: Chunks, given: { bytes: number; all: boolean }): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    given.bytes += chunk.length;
    yield chunk;
  }
  given.all = true;
}

function asBadData(error: unknown): unknown {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code?.startsWith('Z_') !== true) return error;
  return new BadData(code === 'Z_BUF_ERROR' ? ENDS_EARLY : message, 'malformed', { cause: error });
}
