import type { CopyWriter } from '../../copy/copy-writer';
import { scaleOf } from '../../copy/column-encoder';
import { writeNumeric } from '../../copy/numeric';
import type { LoadColumn } from '../../column';
import { FixedColumn, type Put } from './vector-columns';

const NEGATIVE = 0x4000;
/** DuckDB keeps decimals of up to so many digits in 16, 32 and 64 bits. */
const DIGITS = { 2: 4, 4: 9, 8: 18 } as const;
const POWERS = [1, 10, 100, 1000, 10000];

function parts(type: string): { precision: number; scale: number } | null {
  const [, precision, scale] = /^DECIMAL\((\d+),(\d+)\)$/.exec(type) ?? [];
  return precision === undefined ? null : { precision: Number(precision), scale: Number(scale) };
}

/** Whether decimals of this type go into the column as the numbers they are kept as, without becoming text. */
export function isDirectDecimal(type: string, { type: target, modifier }: LoadColumn): boolean {
  const decimal = parts(type);
  if (decimal === null || target !== 'numeric' || decimal.precision > DIGITS[8]) return false;
  return modifier === undefined || decimal.scale <= scaleOf(modifier);
}

export function decimalColumn(type: string): FixedColumn {
  const { precision = 18, scale = 0 } = parts(type) ?? {};
  if (precision <= DIGITS[2])
    return new FixedColumn(
      2,
      decimalPut(scale, (view, row) => view.getInt16(row * 2, true)),
    );
  if (precision <= DIGITS[4])
    return new FixedColumn(
      4,
      decimalPut(scale, (view, row) => view.getInt32(row * 4, true)),
    );
  return new FixedColumn(8, longDecimalPut(scale));
}

function decimalPut(scale: number, unscaled: (view: DataView, row: number) => number): Put {
  return (view, row, out) => writeDecimal(out, unscaled(view, row), scale);
}

function longDecimalPut(scale: number): Put {
  return (view, row, out) => {
    const value = view.getInt32(row * 8 + 4, true) * 4294967296 + view.getUint32(row * 8, true);
    if (Number.isSafeInteger(value)) writeDecimal(out, value, scale);
    else {
      const text = Buffer.from(decimalText(view.getBigInt64(row * 8, true), scale));
      writeNumeric(out, text, 0, text.length);
    }
  };
}

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
