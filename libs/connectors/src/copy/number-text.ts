/** Reads decimal numbers from bytes as written, so that the reader knows whether a binary number would give the same value back. */

const ZERO = 48;
const NINE = 57;
/** Any decimal number of up to 15 significant digits survives the way through a double. */
export const DOUBLE_DIGITS = 15;

export const enum NumberShape {
  None,
  Whole,
  Decimal,
  Exponent,
}

/** What a reading leaves behind; one object is reused so that no value costs an allocation. */
export interface NumberReading {
  negative: boolean;
  /** Significant digits as written: leading zeros do not count, trailing ones do. */
  digits: number;
  /** The first `min(digits, 15)` significant digits as a whole number. */
  mantissa: number;
  /** Power of ten that the mantissa is to be multiplied with, once `digits <= 15`. */
  exponent: number;
}

export const reading: NumberReading = { negative: false, digits: 0, mantissa: 0, exponent: 0 };

/**
 * `[-]digits[.digits][e[+-]digits]` without leading zeros (`007`), without `+`, blanks or words: exactly what a number reproduces.
 * `.5` is a number, `5.` is not. The details are left in `reading`.
 */
export function readNumber(text: Uint8Array, start: number, end: number): NumberShape {
  let at = start;
  reading.negative = text[at] === 45;
  if (reading.negative) at++;
  const wholeFrom = at;
  reading.digits = reading.mantissa = reading.exponent = 0;
  at = readDigits(text, at, end);
  const whole = at - wholeFrom;
  if (whole > 1 && text[wholeFrom] === ZERO) return NumberShape.None;
  if (at === end) return whole > 0 ? NumberShape.Whole : NumberShape.None;
  let shape = NumberShape.Decimal;
  if (text[at] === 46) {
    const from = ++at;
    at = readDigits(text, at, end);
    if (at === from) return NumberShape.None;
    reading.exponent = from - at;
  } else if (whole === 0) return NumberShape.None;
  if (at < end) {
    at = readExponent(text, at, end);
    shape = NumberShape.Exponent;
  }
  return at === end ? shape : NumberShape.None;
}

function readDigits(text: Uint8Array, at: number, end: number): number {
  let digits = reading.digits;
  let mantissa = reading.mantissa;
  for (; at < end; at++) {
    const byte = text[at] as number;
    if (byte < ZERO || byte > NINE) break;
    if (digits === 0 && byte === ZERO) continue;
    if (++digits <= DOUBLE_DIGITS) mantissa = mantissa * 10 + (byte - ZERO);
  }
  reading.digits = digits;
  reading.mantissa = mantissa;
  return at;
}

/** Returns `end` after a whole exponent of up to three digits, else a place before it. */
function readExponent(text: Uint8Array, at: number, end: number): number {
  if (text[at] !== 0x65 && text[at] !== 0x45) return at;
  at++;
  const negative = text[at] === 45;
  if (negative || text[at] === 0x2b) at++;
  if (end - at < 1 || end - at > 3) return at - 1;
  let exponent = 0;
  for (; at < end; at++) {
    const digit = (text[at] as number) - ZERO;
    if (digit < 0 || digit > 9) return at;
    exponent = exponent * 10 + digit;
  }
  reading.exponent += negative ? -exponent : exponent;
  return end;
}

const POWERS = Array.from({ length: 23 }, (_, n) => Number(`1e${n}`));

/**
 * The double nearest to the text just read. Up to 15 digits and a power of ten up to 22 both are exact doubles, so one division or
 * multiplication rounds correctly (W. D. Clinger, "How to Read Floating Point Numbers Accurately"); else the engine's own parser is asked.
 */
export function doubleOf(text: Uint8Array, start: number, end: number): number {
  const { digits, mantissa, exponent, negative } = reading;
  if (digits > DOUBLE_DIGITS || exponent > 22 || exponent < -22)
    return Number(Buffer.from(text.subarray(start, end)).toString('latin1'));
  const size = exponent < 0 ? mantissa / (POWERS[-exponent] as number) : mantissa * (POWERS[exponent] as number);
  return negative ? -size : size;
}

const COMMA = 44;
const POINT = 46;

/** What `pointed` leaves behind. */
export let pointedText = Buffer.alloc(64);

/**
 * Rewrites a number with a decimal comma into `pointedText`, with a point, from 0 on; its length stays. False: it holds a point, which
 * would be no decimal mark but one that groups thousands, and those are not guessed.
 */
export function pointed(text: Uint8Array, start: number, end: number): boolean {
  if (end - start > pointedText.length) pointedText = Buffer.alloc((end - start) * 2);
  for (let i = start; i < end; i++) {
    const byte = text[i] as number;
    if (byte === POINT) return false;
    pointedText[i - start] = byte === COMMA ? POINT : byte;
  }
  return true;
}
