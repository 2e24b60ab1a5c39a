import { isUtf8 } from 'node:buffer';
import { createGunzip } from 'node:zlib';
import { pipeline, type Readable } from 'node:stream';
import { BadFile } from '../errors';
import type { FileInput } from './format-reader';

const CHUNK_BYTES = 1024 * 1024;
/** Longest record (one CSV row, one JSON value of the outermost level). */
export const MAX_RECORD_BYTES = 64 * 1024 * 1024;

/** The expanded bytes of a file. Destroying the stream closes the file. */
export function expand(file: FileInput): Readable {
  const raw = file.open();
  if (file.compression === 'none') return raw;
  // The error reaches whoever reads the end of the pipeline; the callback is only there to own it.
  return pipeline(raw, createGunzip({ chunkSize: CHUNK_BYTES }), () => undefined);
}

/** Takes as many whole records as `bytes[0..end)` holds and says how many bytes they were; `last`: nothing follows. */
export type Consume = (bytes: Buffer, last: boolean) => number;

/**
 * Feeds a stream to `consume` in pieces that begin at a record, carrying unfinished records over. `afterEach` runs between the pieces;
 * false ends the reading.
 */
export async function feed(stream: Readable, consume: Consume, afterEach: () => Promise<boolean>): Promise<void> {
  let carry: Buffer = Buffer.alloc(0);
  let wanted = 0;
  const pending: Buffer[] = [];
  let pendingBytes = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    pending.push(chunk);
    pendingBytes += chunk.length;
    // A record longer than all there is: wait for as much again, so that long records are not scanned once per chunk.
    if (carry.length + pendingBytes < wanted) continue;
    const bytes = carry.length === 0 && pending.length === 1 ? chunk : Buffer.concat([carry, ...pending]);
    pending.length = pendingBytes = 0;
    const used = consume(bytes, false);
    carry = bytes.subarray(used);
    wanted = used === 0 ? Math.min(bytes.length * 2, MAX_RECORD_BYTES + 1) : 0;
    if (carry.length > MAX_RECORD_BYTES) throw tooLong();
    if (!(await afterEach())) return;
  }
  const rest = Buffer.concat([carry, ...pending]);
  if (rest.length > 0) consume(rest, true);
  await afterEach();
}

function tooLong(): BadFile {
  return new BadFile(
    'limit',
    `One record is longer than ${MAX_RECORD_BYTES / 1048576} MiB. Split the file or check its quotes.`,
  );
}

/** PostgreSQL takes neither broken UTF-8 nor NUL; both are looked for in whole pieces, natively, before a row of them is sent. */
export function isStorable(bytes: Buffer): boolean {
  return isUtf8(bytes) && !bytes.includes(0);
}

/** What `isStorable` refused, told with its line. `firstLine` is the line the piece begins on. */
export function unstorable(bytes: Buffer, firstLine: number): BadFile {
  let line = firstLine;
  for (let from = 0; from < bytes.length; line++) {
    const to = endOfLine(bytes, from);
    const part = bytes.subarray(from, to);
    if (!isUtf8(part))
      return new BadFile('malformed', `Line ${line} is not valid UTF-8. Save the file as UTF-8.`, { line });
    if (part.includes(0))
      return new BadFile('malformed', `Line ${line} holds a NUL character, which PostgreSQL cannot store. Remove it.`, {
        line,
      });
    from = to;
  }
  return new BadFile('malformed', 'The file is not valid UTF-8. Save it as UTF-8.', { line: firstLine });
}

function endOfLine(bytes: Buffer, from: number): number {
  for (let at = from; at < bytes.length; at++)
    if (bytes[at] === 10 || (bytes[at] === 13 && bytes[at + 1] !== 10)) return at + 1;
  return bytes.length;
}

/** Turns what the file system or the decompressor says into the file's own fault; everything else passes. */
export function asBadFile(error: unknown, file: FileInput): unknown {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  if (code.startsWith('Z_') || code === 'ERR_BUFFER_TOO_LARGE')
    return new BadFile(
      'malformed',
      `The gzip data of ${file.path} is broken (${(error as Error).message}). Compress the file again.`,
      {},
      { cause: error },
    );
  if (code === 'ENOENT')
    return new BadFile('not_found', `${file.path} went away while it was read.`, {}, { cause: error, retry: 'later' });
  if (code === 'EACCES' || code === 'EPERM')
    return new BadFile('permission', `${file.path} may not be read by the user Sluice runs as.`, {}, { cause: error });
  return error;
}
