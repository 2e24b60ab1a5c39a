/** Reads ISO 8601 dates and times from bytes, strictly: what is not exactly such a text is refused, never bent into shape. */

const ZERO = 48;
const DASH = 45;
const COLON = 58;
const DAYS_TO_2000 = 10957;
export const SECONDS_PER_DAY = 86400;
const MONTH_LENGTH = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** What a reading leaves behind; one object is reused so that no value costs an allocation. */
export interface Moment {
  /** Days since 2000-01-01. */
  days: number;
  /** Seconds of the day, after applying the zone's offset (so it may lie outside 0..86399). */
  seconds: number;
  /** Microseconds of the second, 0..999999. */
  micros: number;
  zoned: boolean;
  hasTime: boolean;
}

/** What reads a text as a moment. False: it is no such text. */
export type ReadMoment = (text: Uint8Array, start: number, end: number, into: Moment) => boolean;

/** The two digits at `at`, or -1. */
export function two(text: Uint8Array, at: number): number {
  const tens = (text[at] as number) - ZERO;
  const ones = (text[at + 1] as number) - ZERO;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : -1;
}

/** Days since 2000-01-01 in the proleptic Gregorian calendar (Howard Hinnant, "chrono-compatible low-level date algorithms"). */
export function daysFromCivil(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  return (
    era * 146097 +
    yearOfEra * 365 +
    Math.floor(yearOfEra / 4) -
    Math.floor(yearOfEra / 100) +
    dayOfYear -
    719468 -
    DAYS_TO_2000
  );
}

function isLeap(year: number): boolean {
  return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
}

/** `YYYY-MM-DD` in exactly ten bytes. */
function readDate(text: Uint8Array, start: number, into: Moment): boolean {
  if (text[start + 4] !== DASH || text[start + 7] !== DASH) return false;
  const century = two(text, start);
  const yearOfCentury = two(text, start + 2);
  const month = two(text, start + 5);
  const day = two(text, start + 8);
  return century >= 0 && yearOfCentury >= 0 && setDate(century * 100 + yearOfCentury, month, day, into);
}

/** False: there is no such day. */
export function setDate(year: number, month: number, day: number, into: Moment): boolean {
  if (year < 1 || month < 1 || month > 12 || day < 1) return false;
  if (day > (month === 2 && isLeap(year) ? 29 : (MONTH_LENGTH[month - 1] as number))) return false;
  into.days = daysFromCivil(year, month, day);
  return true;
}

/** `YYYY-MM-DD`, alone or with `T` or a blank, `HH:MM[:SS[.f{1,6}]]` and perhaps `Z` or `+HH[[:]MM]`. False: it is no such text. */
export function readMoment(text: Uint8Array, start: number, end: number, into: Moment): boolean {
  into.seconds = into.micros = 0;
  into.zoned = into.hasTime = false;
  if (end - start < 10 || !readDate(text, start, into)) return false;
  if (end - start === 10) return true;
  if (text[start + 10] !== 0x20 && text[start + 10] !== 0x54) return false;
  return readClock(text, start + 11, end, into);
}

/** `HH:MM[:SS[.f{1,6}]]`: a time of the day. */
export function readTime(text: Uint8Array, start: number, end: number, into: Moment): boolean {
  into.micros = 0;
  into.zoned = false;
  return readClock(text, start, end, into) && !into.zoned;
}

function readClock(text: Uint8Array, at: number, end: number, into: Moment): boolean {
  if (end - at < 5 || text[at + 2] !== COLON) return false;
  const hours = two(text, at);
  const minutes = two(text, at + 3);
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return false;
  into.hasTime = true;
  into.seconds = hours * 3600 + minutes * 60;
  return readSeconds(text, at + 5, end, into);
}

function readSeconds(text: Uint8Array, at: number, end: number, into: Moment): boolean {
  if (text[at] !== COLON || at >= end) return readZone(text, at, end, into);
  if (end - at < 3) return false;
  const seconds = two(text, at + 1);
  if (seconds < 0 || seconds > 59) return false;
  into.seconds += seconds;
  at += 3;
  if (at < end && text[at] === 0x2e) {
    const from = ++at;
    let micros = 0;
    for (; at < end; at++) {
      const digit = (text[at] as number) - ZERO;
      if (digit < 0 || digit > 9) break;
      micros = micros * 10 + digit;
    }
    const digits = at - from;
    if (digits === 0 || digits > 6) return false;
    into.micros = micros * 10 ** (6 - digits);
  }
  return readZone(text, at, end, into);
}

function readZone(text: Uint8Array, at: number, end: number, into: Moment): boolean {
  if (at === end) return true;
  into.zoned = true;
  if (text[at] === 0x5a) return end - at === 1;
  const sign = text[at] === 0x2b ? 1 : text[at] === DASH ? -1 : 0;
  if (sign === 0 || end - at < 3) return false;
  const hours = two(text, at + 1);
  const rest = end - at - 3;
  const minutes =
    rest === 0 ? 0 : rest === 2 ? two(text, at + 3) : rest === 3 && text[at + 3] === COLON ? two(text, at + 4) : -1;
  if (hours < 0 || hours > 15 || minutes < 0 || minutes > 59) return false;
  into.seconds -= sign * (hours * 3600 + minutes * 60);
  return true;
}
