import { BadFile } from '../errors';
import type { Encoding } from './format-reader';

/** A byte order mark. */
export interface Mark {
  encoding: Encoding;
  bytes: number;
}

const MARKS: readonly (Mark & { start: string })[] = [
  { encoding: 'utf-8', bytes: 3, start: 'efbbbf' },
  { encoding: 'utf-16le', bytes: 2, start: 'fffe' },
  { encoding: 'utf-16be', bytes: 2, start: 'feff' },
];
const UTF_32 = /^(fffe0000|0000feff)/;

/** Raises `BadFile` for UTF-32, which nobody reads. */
export function markOf(head: Buffer, path: string): Mark | null {
  const start = head.toString('hex', 0, 4);
  if (UTF_32.test(start))
    throw new BadFile('malformed', `${path} is written in UTF-32, which is not read. Save the file as UTF-8.`);
  return MARKS.find((mark) => start.startsWith(mark.start)) ?? null;
}

/**
 * Text in Latin letters and digits has a zero in every second byte, and UTF-8 that PostgreSQL can store has none at all: so zeros in only
 * the odd or only the even places, and in at least half of them, are UTF-16. Text of which most is in other scripts needs a mark.
 */
export function looksLikeUtf16(sample: Buffer): Encoding | null {
  if (!sample.includes(0)) return null;
  const zeros = [0, 0];
  for (let at = 0; at < sample.length; at++) if (sample[at] === 0) (zeros[at & 1] as number)++;
  const [even = 0, odd = 0] = zeros;
  if (Math.min(even, odd) > 0 || Math.max(even, odd) * 4 < sample.length || sample.length < 2) return null;
  return odd > 0 ? 'utf-16le' : 'utf-16be';
}
