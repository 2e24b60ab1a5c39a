import type { CopyWriter } from './copy-writer';

const ZERO = 48;
const DOT = 46;
const MINUS = 45;
const NEGATIVE = 0x4000;
/** The binary form takes no more than 3,000 groups of four digits (numeric_recv). */
const MAX_GROUPS = 3000;
/** Texts up to this length always fit, with an exponent of three digits too. */
export const MAX_NUMERIC_TEXT = 4 * MAX_GROUPS - 1010;

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
  const wholeGroups = Math.ceil((point - first) / 4);
  const groups = wholeGroups + Math.ceil(scale / 4);
  if (groups > MAX_GROUPS) return false;
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

/** The plain form (`0.0015`) of a number with an exponent (`1.5e-3`), already checked. */
export function withoutExponent(text: Uint8Array, start: number, end: number): Buffer {
  const [mantissa = '', power = '0'] = Buffer.from(text.subarray(start, end))
    .toString('latin1')
    .toLowerCase()
    .split('e');
  const [whole = '', fraction = ''] = mantissa.replace('-', '').split('.');
  const point = whole.length + Number(power);
  const digits = (whole + fraction)
    .padEnd(point, '0')
    .padStart(whole.length + fraction.length - Math.min(0, point), '0');
  const split = Math.max(0, point);
  const rest = digits.slice(split);
  return Buffer.from(
    `${mantissa.startsWith('-') ? '-' : ''}${digits.slice(0, split) || '0'}${rest === '' ? '' : `.${rest}`}`,
  );
}
