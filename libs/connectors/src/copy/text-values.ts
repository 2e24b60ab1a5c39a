import type { CopyWriter } from './copy-writer';
import { DOUBLE_DIGITS, doubleOf, NumberShape, readNumber, reading } from './number-text';
import { withoutExponent, writeNumeric } from './numeric';
import { type Moment, type ReadMoment, readMoment, readTime, SECONDS_PER_DAY } from './moment';

/**
 * Writes the text `start..end` (UTF-8, not empty) as one binary value. False: the text is no such value, or the value would not be the
 * same afterwards; then nothing was written.
 */
export type TextEncoder = (out: CopyWriter, text: Uint8Array, start: number, end: number) => boolean;

const moment: Moment = { days: 0, seconds: 0, micros: 0, zoned: false, hasTime: false };
/** Seconds on either side of 2000-01-01 within which microseconds are exact doubles. */
const EXACT_SECONDS = 9e9;

function bool(out: CopyWriter, text: Uint8Array, start: number, end: number): boolean {
  const word = booleanWord(text, start, end);
  if (word === -1) return false;
  out.boolean(word === 1);
  return true;
}

/** 1 for `true`, 0 for `false` (either case, also capitalised), -1 for anything else. */
export function booleanWord(text: Uint8Array, start: number, end: number): -1 | 0 | 1 {
  const length = end - start;
  if (length !== 4 && length !== 5) return -1;
  const word = String.fromCharCode(...text.subarray(start, end)).toLowerCase();
  return word === 'true' ? 1 : word === 'false' ? 0 : -1;
}

function wholeNumber(bits: 16 | 32): TextEncoder {
  const limit = 2 ** (bits - 1);
  return (out, text, start, end) => {
    if (readNumber(text, start, end) !== NumberShape.Whole || reading.digits > 10 || isMinusZero()) return false;
    const value = reading.negative ? -reading.mantissa : reading.mantissa;
    if (value < -limit || value >= limit) return false;
    if (bits === 16) out.int16(value);
    else out.int32(value);
    return true;
  };
}

const isMinusZero = (): boolean => reading.negative && reading.digits === 0;

function int64(out: CopyWriter, text: Uint8Array, start: number, end: number): boolean {
  if (readNumber(text, start, end) !== NumberShape.Whole || isMinusZero()) return false;
  if (reading.digits <= DOUBLE_DIGITS) {
    out.int64(reading.negative ? -reading.mantissa : reading.mantissa);
    return true;
  }
  const exact = longInteger(text, start, end);
  if (exact === null) return false;
  out.bigint(exact);
  return true;
}

/** A whole number of 16 or more digits; `null` when 64 bits cannot hold it. */
export function longInteger(text: Uint8Array, start: number, end: number): bigint | null {
  if (reading.digits > 19) return null;
  const value = BigInt(Buffer.from(text.subarray(start, end)).toString('latin1'));
  return BigInt.asIntN(64, value) === value ? value : null;
}

function float64(out: CopyWriter, text: Uint8Array, start: number, end: number): boolean {
  if (readNumber(text, start, end) === NumberShape.None || reading.digits > DOUBLE_DIGITS) return false;
  const value = doubleOf(text, start, end);
  if (!isFaithful(value)) return false;
  out.float64(value);
  return true;
}

/** Below these, numbers have fewer digits than they may be written with. */
const SMALLEST_DOUBLE = 2 ** -1022;
const SMALLEST_FLOAT = 2 ** -126;

/** Neither run over nor vanished nor worn down: `1e400`, `1e-400` and `1.234e-320` have no double. */
export function isFaithful(value: number, smallest = SMALLEST_DOUBLE): boolean {
  return Number.isFinite(value) && (Math.abs(value) >= smallest || reading.mantissa === 0);
}

function float32(out: CopyWriter, text: Uint8Array, start: number, end: number): boolean {
  if (readNumber(text, start, end) === NumberShape.None || reading.digits > 6) return false;
  const value = Math.fround(doubleOf(text, start, end));
  if (!isFaithful(value, SMALLEST_FLOAT)) return false;
  out.float32(value);
  return true;
}

function numeric(out: CopyWriter, text: Uint8Array, start: number, end: number): boolean {
  const shape = readNumber(text, start, end);
  if (shape === NumberShape.None || isMinusZero()) return false;
  if (shape !== NumberShape.Exponent) return writeNumeric(out, text, start, end);
  const plain = withoutExponent(text, start, end);
  return writeNumeric(out, plain, 0, plain.length);
}

export function dateEncoder(read: ReadMoment): TextEncoder {
  return (out, text, start, end) => {
    if (!read(text, start, end, moment) || moment.hasTime) return false;
    out.int32(moment.days);
    return true;
  };
}

export function timestampEncoder(zoned: boolean, read: ReadMoment): TextEncoder {
  return (out, text, start, end) => {
    if (!read(text, start, end, moment) || moment.zoned !== zoned) return false;
    writeMicroseconds(out, moment.days * SECONDS_PER_DAY + moment.seconds, moment.micros);
    return true;
  };
}

function time(out: CopyWriter, text: Uint8Array, start: number, end: number): boolean {
  if (!readTime(text, start, end, moment)) return false;
  out.int64(moment.seconds * 1e6 + moment.micros);
  return true;
}

/** Microseconds since 2000-01-01 from seconds and microseconds of the second. */
export function writeMicroseconds(out: CopyWriter, seconds: number, micros: number): void {
  if (seconds < EXACT_SECONDS && seconds > -EXACT_SECONDS) out.int64(seconds * 1e6 + micros);
  else out.bigint(BigInt(seconds) * 1_000_000n + BigInt(micros));
}

function text(out: CopyWriter, from: Uint8Array, start: number, end: number): boolean {
  out.raw(from, start, end);
  return true;
}

function jsonb(out: CopyWriter, from: Uint8Array, start: number, end: number): boolean {
  out.jsonb(from, start, end);
  return true;
}

/** Upper and lower case are the same UUID. */
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

function uuid(out: CopyWriter, from: Uint8Array, start: number, end: number): boolean {
  const word = Buffer.from(from.subarray(start, end)).toString('latin1');
  if (!UUID.test(word)) return false;
  out.raw(Buffer.from(word.replaceAll('-', ''), 'hex'), 0, 16);
  return true;
}

/** The PostgreSQL types (as `pg_catalog.format_type` without a modifier names them) that text can be written into. */
export const TEXT_ENCODERS = {
  boolean: bool,
  smallint: wholeNumber(16),
  integer: wholeNumber(32),
  bigint: int64,
  real: float32,
  'double precision': float64,
  numeric,
  date: dateEncoder(readMoment),
  'time without time zone': time,
  'timestamp without time zone': timestampEncoder(false, readMoment),
  'timestamp with time zone': timestampEncoder(true, readMoment),
  text,
  'character varying': text,
  character: text,
  json: text,
  jsonb,
  uuid,
} as const satisfies Record<string, TextEncoder>;
