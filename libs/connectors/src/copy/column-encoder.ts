import type { LoadColumn } from '../column';
import { TEXT_ENCODERS, type TextEncoder } from './text-values';

const ENCODERS: Partial<Record<string, TextEncoder>> = TEXT_ENCODERS;

/** For types no text format has a faithful way to write (bytea, time). */
const refuse: TextEncoder = () => false;

/** Writes texts into a column. What the column's length, precision or scale would cut or round is refused: the server would not say so. */
export function encoderOf(column: LoadColumn): TextEncoder {
  const encode = ENCODERS[column.type] ?? refuse;
  const fits = fitsModifier(column);
  if (fits === null) return encode;
  return (out, text, start, end) => fits(text, start, end) && encode(out, text, start, end);
}

/** The column's type with its modifier, as a person writes it. */
export function typeName(column: LoadColumn): string {
  const { type, modifier } = column;
  if (modifier === undefined) return type;
  if (type === 'numeric') return `numeric(${(modifier - 4) >> 16},${scaleOf(modifier)})`;
  if (isText(column)) return `${type}(${modifier - 4})`;
  return type.replace(/^\w+/, `$&(${modifier})`);
}

/** Digits of the second a column of times keeps; `null` where it keeps all that it can be given. */
export function keptFraction({ type, modifier }: LoadColumn): number | null {
  return modifier !== undefined && type.startsWith('time') && modifier < 6 ? modifier : null;
}

type Fits = (text: Uint8Array, start: number, end: number) => boolean;

function fitsModifier(column: LoadColumn): Fits | null {
  const { type, modifier } = column;
  if (modifier === undefined) return null;
  if (isText(column))
    return (text, start, end) => end - start <= modifier - 4 || characters(text, start, end) <= modifier - 4;
  if (type === 'numeric') return (text, start, end) => neededScale(text, start, end) <= scaleOf(modifier);
  const kept = keptFraction(column);
  return kept === null ? null : (text, start, end) => fractionOf(text, start, end) <= kept;
}

function isText({ type }: LoadColumn): boolean {
  return type === 'character varying' || type === 'character';
}

/** Eleven bits with a sign (PostgreSQL, numeric_typmod_scale). */
export function scaleOf(modifier: number): number {
  return (((modifier - 4) & 0x7ff) ^ 1024) - 1024;
}

function characters(text: Uint8Array, start: number, end: number): number {
  let count = 0;
  for (let i = start; i < end; i++) if (((text[i] as number) & 0xc0) !== 0x80) count++;
  return count;
}

/** The scale that holds a number exactly; negative when it ends in zeros. Anything but a number is refused by its encoder. */
function neededScale(text: Uint8Array, start: number, end: number): number {
  const [mantissa = '', power = '0'] = Buffer.from(text.subarray(start, end))
    .toString('latin1')
    .toLowerCase()
    .split('e');
  const [whole = '', fraction = ''] = mantissa.split('.');
  const digits = whole + fraction;
  const significant = digits.replace(/0+$/, '');
  if (/^-?$/.test(significant)) return -Infinity;
  return fraction.length - (digits.length - significant.length) - Number(power);
}

/** Digits behind the point of the second, without trailing zeros. */
function fractionOf(text: Uint8Array, start: number, end: number): number {
  return /\.(\d*[1-9])/.exec(Buffer.from(text.subarray(start, end)).toString('latin1'))?.[1]?.length ?? 0;
}
