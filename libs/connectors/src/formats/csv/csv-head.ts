import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { asUnwritable, makeTempFolder } from '../../temp-folders';
import type { CsvDialect, Encoding, FileInput } from '../format-reader';
import { detectEncoding, openText } from '../text';
import { afterSkipped } from './csv-header';
import { splitLines } from './csv-lines';

/** What a delimiter is looked for among. */
export const CANDIDATES = [',', ';', '\t', '|'] as const;

const HEAD_BYTES = 1024 * 1024;
const LINES_BYTES = 64 * 1024;
export const LONG_LINE = 32 * 1024;

/** The beginning of a CSV, decoded, behind the lines to skip and cut at a line end: what its dialect is told from. */
export interface CsvHead {
  path: string;
  encoding: Encoding;
  bytes: Buffer;
  /** The first lines with something in them; one character for each byte. */
  lines: readonly string[];
}

/** Raises `BadFile`. */
export async function readHead(file: FileInput, given: Partial<CsvDialect>): Promise<CsvHead> {
  const encoding = given.encoding ?? (await detectEncoding(file));
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of openText(file, encoding) as AsyncIterable<Buffer>) {
    pieces.push(piece);
    if ((length += piece.length) >= HEAD_BYTES) break;
  }
  const whole = Buffer.concat(pieces);
  const from = afterSkipped(whole, given.skip ?? 0, length < HEAD_BYTES) ?? whole.length;
  const bytes = withoutCutLine(whole.subarray(from), HEAD_BYTES);
  const text = withoutCutLine(bytes, LINES_BYTES).toString('latin1');
  const delimiters = given.delimiter === undefined ? CANDIDATES : [given.delimiter];
  return { path: file.path, encoding, bytes, lines: splitLines(text, given.quote ?? '"', delimiters) };
}

/** A line that the end of the head cuts says nothing, unless it is the only one, or very long. */
function withoutCutLine(bytes: Buffer, most: number): Buffer {
  if (bytes.length <= most) return bytes;
  const head = bytes.subarray(0, most);
  const end = Math.max(head.lastIndexOf(10), head.lastIndexOf(13));
  return end !== -1 && head.length - end < LONG_LINE ? head.subarray(0, end + 1) : head;
}

/** Shows a head to those who can only read files. Raises `BadFile` when there is no room. */
export async function asFile<T>(head: CsvHead, folder: string, use: (path: string) => Promise<T>): Promise<T> {
  let own: string | null = null;
  try {
    own = makeTempFolder(folder, 'head');
    const path = join(own, 'head.csv');
    await writeFile(path, head.bytes);
    return await use(path);
  } catch (error) {
    throw asUnwritable(error, `The head of ${head.path} could not be copied to`, folder);
  } finally {
    if (own !== null) await rm(own, { recursive: true, force: true });
  }
}
