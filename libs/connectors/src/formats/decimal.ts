import type { CopyWriter } from '../copy/copy-writer';

const NEGATIVE = 0x4000;
const POWERS = [1, 10, 100, 1000, 10000];

/** `unscaled` / 10^`scale` as plain text, every digit of the fraction written. */
export function decimalText(unscaled: bigint, scale: number): string {
  if (scale === 0) return String(unscaled);
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0');
  return `${unscaled < 0n ? '-' : ''}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

const groups = new Int16Array(12);

/**
 * Writes `unscaled` (within +-2^53) / 10^`scale` as a `numeric`; see `writeNumeric` for its form. The last group of the fraction is filled up
 * with zeros, so it is taken off first and alone.
 */
export function writeDecimal(out: CopyWriter, unscaled: number, scale: number): void {
  let rest = Math.abs(unscaled);
  const fractionGroups = Math.ceil(scale / 4);
  let count = 0;
  if (fractionGroups > 0) {
    const inLast = scale - 4 * (fractionGroups - 1);
    const last = rest % (POWERS[inLast] as number);
    groups[count++] = last * (POWERS[4 - inLast] as number);
    rest = (rest - last) / (POWERS[inLast] as number);
  }
  for (; rest > 0 || count < fractionGroups; count++) {
    const group = rest % 10000;
    groups[count] = group;
    rest = (rest - group) / 10000;
  }
  writeGroups(out, count, fractionGroups, unscaled < 0, scale);
}

/** `groups` holds them from the last one on. */
function writeGroups(out: CopyWriter, count: number, fractionGroups: number, negative: boolean, scale: number): void {
  let first = count - 1;
  while (first >= 0 && groups[first] === 0) first--;
  let last = 0;
  while (last <= first && groups[last] === 0) last++;
  const written = first - last + 1;
  out.reserve(12 + written * 2);
  const { view, position } = out;
  view.setInt32(position, 8 + written * 2);
  view.setInt16(position + 4, written);
  view.setInt16(position + 6, written === 0 ? 0 : first - fractionGroups);
  view.setInt16(position + 8, negative ? NEGATIVE : 0);
  view.setInt16(position + 10, scale);
  for (let i = 0; i < written; i++) view.setInt16(position + 12 + i * 2, groups[first - i] as number);
  out.position = position + 12 + written * 2;
}
