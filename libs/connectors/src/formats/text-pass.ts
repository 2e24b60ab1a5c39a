import { BadFile } from '../errors';
import { type Consume, feed, isStorable } from './bytes';
import type { Encoding, FileInput } from './format-reader';
import { openText } from './text';

/** What the readers of text take at most; each by the setting it is named after. */
export interface TextLimits {
  /** SLUICE_MAX_RECORD_BYTES */
  recordBytes: number;
  /** SLUICE_MAX_COLUMNS */
  columns: number;
  /** SLUICE_MAX_DEPTH */
  depth: number;
}

/** One reading of a text file from its beginning: `consume` gets its UTF-8 in pieces (see `feed`). The stream is closed in any case. */
export interface TextPass {
  file: FileInput;
  encoding: Encoding;
  recordBytes: number;
  consume: Consume;
  /** Runs between the pieces; false ends the reading. */
  afterEach: () => Promise<boolean>;
  signal?: AbortSignal;
}

export async function readText({ file, encoding, recordBytes, consume, afterEach, signal }: TextPass): Promise<void> {
  const stream = openText(file, encoding);
  const stop = () => stream.destroy(signal?.reason as Error);
  signal?.addEventListener('abort', stop, { once: true });
  try {
    signal?.throwIfAborted();
    await feed(stream, consume, afterEach, recordBytes);
  } finally {
    signal?.removeEventListener('abort', stop);
    stream.destroy();
  }
}

/**
 * Whether PostgreSQL takes all of a piece. If not, the records of the piece are looked at one by one: line ends, delimiters and quotes are
 * ASCII, so that neither broken UTF-8 nor NUL can hide one, and only the record that holds them is bad.
 */
export function isAllStorable(bytes: Buffer, last: boolean): boolean {
  return isStorable(last ? bytes : bytes.subarray(0, endOfCharacters(bytes)));
}

/** Without the first bytes of a character that the next piece completes. */
function endOfCharacters(bytes: Buffer): number {
  for (let back = 1; back <= 3 && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back] as number;
    if (byte < 0x80) break;
    if (byte >= 0xc0) return back < (byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2) ? bytes.length - back : bytes.length;
  }
  return bytes.length;
}

/** A record that is all there and still too long; `feed` raises the others. */
export function tooLong(line: number, most: number): BadFile {
  const message = `Line ${line}: the record is longer than ${most} bytes. Split the file, check its quotes, or raise SLUICE_MAX_RECORD_BYTES.`;
  return new BadFile('limit', message, { line });
}

/** A sample passes over what is wrong with a file: its load tells. */
export function passOver(error: unknown): null {
  if (error instanceof BadFile) return null;
  throw error;
}
