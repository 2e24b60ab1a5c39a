import { isUtf8 } from 'node:buffer';
import type { Readable } from 'node:stream';
import { BadFile } from '../errors';
import type { FileInput } from './format-reader';

const MIB = 1024 * 1024;
const SAVE_AS_UTF8 =
  'Save the file as UTF-8 or set format.options.encoding (windows-1252, iso-8859-1, utf-16le, utf-16be).';

/** Takes as many whole records as `bytes[0..end)` holds and says how many bytes they were; `last`: nothing follows. */
export type Consume = (bytes: Buffer, last: boolean) => number;

/**
 * Feeds a stream to `consume` in pieces that begin at a record, carrying unfinished records over. `afterEach` runs between the pieces;
 * false ends the reading. A record longer than `maxRecordBytes` is a `BadFile` (`limit`).
 */
export async function feed(
  stream: Readable,
  consume: Consume,
  afterEach: () => Promise<boolean>,
  maxRecordBytes: number,
): Promise<void> {
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
    wanted = used === 0 ? Math.min(bytes.length * 2, maxRecordBytes + 1) : 0;
    if (carry.length > maxRecordBytes) throw tooLong(maxRecordBytes);
    if (!(await afterEach())) return;
  }
  const rest = Buffer.concat([carry, ...pending]);
  if (rest.length > 0) consume(rest, true);
  await afterEach();
}

function tooLong(maxBytes: number): BadFile {
  const most = maxBytes % MIB === 0 ? `${maxBytes / MIB} MiB` : `${maxBytes} bytes`;
  return new BadFile(
    'limit',
    `One record is longer than ${most}. Split the file, check its quotes, or raise SLUICE_MAX_RECORD_BYTES.`,
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
    if (!isUtf8(part)) return new BadFile('malformed', `Line ${line} is not valid UTF-8. ${SAVE_AS_UTF8}`, { line });
    if (part.includes(0))
      return new BadFile('malformed', `Line ${line} holds a NUL character, which PostgreSQL cannot store. Remove it.`, {
        line,
      });
    from = to;
  }
  return new BadFile('malformed', `The file is not valid UTF-8. ${SAVE_AS_UTF8}`, { line: firstLine });
}

function endOfLine(bytes: Buffer, from: number): number {
  for (let at = from; at < bytes.length; at++)
    if (bytes[at] === 10 || (bytes[at] === 13 && bytes[at + 1] !== 10)) return at + 1;
  return bytes.length;
}

/** Turns what the file system says into the file's own fault; everything else passes, what a file's stream raised as it is. */
export function asBadFile(error: unknown, file: FileInput): unknown {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  if (code === 'ENOENT')
    return new BadFile('not_found', `${file.path} went away while it was read.`, {}, { cause: error, retry: 'later' });
  if (code === 'EACCES' || code === 'EPERM')
    return new BadFile('permission', `${file.path} may not be read by the user Sluice runs as.`, {}, { cause: error });
  return error;
}
