import type { CopyWriter } from './copy-writer';

const ZERO = 48;
const DOT = 46;
const MINUS = 45;
const NEGATIVE = 0x4000;
/** PostgreSQL's own limits of digits after and before the point. */
const MAX_SCALE = 16383;
const MAX_WHOLE_DIGITS = 131072;

/**
 * Writes a plain decimal text (`-12.340`, no exponent, already checked) as a `numeric`: groups of four decimal digits, the weight of the
 * first group, sign, and the number of digits after the point. Every digit is kept, trailing zeros of the fraction too.
 * False: too many digits for PostgreSQL.
 * Source: PostgreSQL, src/backend/utils/adt/numeric.c, numeric_recv.
 */
export function writeNumeric(out: CopyWriter, text: Uint8Array, start: number, end: number): boolean {
  const negative = text[start] === MINUS;
  let first = negative ? start + 1 : start;
  let point = first;
  while (point < end && text[point] !== DOT) point++;
  const scale = point < end ? end - point - 1 : 0;
  while (first < point && text[first] === ZERO) first++;
  if (scale > MAX_SCALE || point - first > MAX_WHOLE_DIGITS) return false;
  const wholeGroups = Math.ceil((point - first) / 4);
  const groups = wholeGroups + Math.ceil(scale / 4);
  out.reserve(12 + groups * 2);
  const lengthAt = out.position;
  let position = lengthAt + 12;
  let weight = wholeGroups - 1;
  let written = 0;
  let lastNonZero = 0;
  for (let group = 0; group < groups; group++) {
    const value = groupAt(text, group - wholeGroups, first, point, end);
    if (written === 0 && value === 0) {
      weight--;
      continue;
    }
    out.view.setInt16(position, value);
    position += 2;
    written++;
    if (value !== 0) lastNonZero = written;
  }
  out.view.setInt32(lengthAt, 8 + lastNonZero * 2);
  out.view.setInt16(lengthAt + 4, lastNonZero);
  out.view.setInt16(lengthAt + 6, lastNonZero === 0 ? 0 : weight);
  out.view.setInt16(lengthAt + 8, negative && lastNonZero > 0 ? NEGATIVE : 0);
  out.view.setInt16(lengthAt + 10, scale);
  out.position = lengthAt + 12 + lastNonZero * 2;
  return true;
}

/** The four digits of one group; groups are counted from the point: -1 is the last whole one, 0 the first of the fraction. */
function groupAt(text: Uint8Array, group: number, first: number, point: number, end: number): number {
  const start = group < 0 ? point + group * 4 : point + 1 + group * 4;
  let value = 0;
  for (let i = start; i < start + 4; i++) {
    const outside = group < 0 ? i < first : i >= end;
    value = value * 10 + (outside ? 0 : (text[i] as number) - ZERO);
  }
  return value;
}
