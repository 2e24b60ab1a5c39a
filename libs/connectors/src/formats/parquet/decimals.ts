import { scaleOf } from '../../copy/column-encoder';
import { writeNumeric } from '../../copy/numeric';
import type { LoadColumn } from '../../column';
import { decimalText, writeDecimal } from '../decimal';
import { FixedColumn, type Put } from './vector-columns';

/** DuckDB keeps decimals of up to so many digits in 16, 32 and 64 bits. */
const DIGITS = { 2: 4, 4: 9, 8: 18 } as const;

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
