import type { LoadColumn } from '../column';
import { type ReadMoment, readMoment } from './moment';
import { dateEncoder, TEXT_ENCODERS, type TextEncoder, timestampEncoder } from './text-values';
import { momentReader, PLAIN_FORMS, type ValueForms, withComma } from './value-forms';

const ENCODERS: Partial<Record<string, TextEncoder>> = TEXT_ENCODERS;

/** For types no text format has a faithful way to write (bytea). */
const refuse: TextEncoder = () => false;

/** Writes texts into a column. What the column's length, precision or scale would cut or round is refused: the server would not say so. */
export function encoderOf(column: LoadColumn, forms: ValueForms = PLAIN_FORMS): TextEncoder {
  const read = momentReader(forms);
  if (read !== readMoment && /^(date|timestamp)/.test(column.type)) return momentEncoder(column, read);
  const encode = ENCODERS[column.type] ?? refuse;
  const fits = fitsModifier(column);
  const fitting: TextEncoder =
    fits === null ? encode : (out, text, start, end) => fits(text, start, end) && encode(out, text, start, end);
  return forms.decimal === ',' && hasFraction(column) ? withComma(fitting) : fitting;
}

/** A fraction may stand anywhere in a format of one's own: what was read tells whether it fits, not the text. */
function momentEncoder(column: LoadColumn, read: ReadMoment): TextEncoder {
  const step = 10 ** (6 - (keptFraction(column) ?? 6));
  const kept: ReadMoment = (text, start, end, into) => read(text, start, end, into) && into.micros % step === 0;
  return column.type === 'date'
    ? dateEncoder(kept)
    : timestampEncoder(column.type === 'timestamp with time zone', kept);
}

function hasFraction({ type }: LoadColumn): boolean {
  return ['real', 'double precision', 'numeric'].includes(type);
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
