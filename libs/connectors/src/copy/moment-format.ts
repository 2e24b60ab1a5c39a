import { BadFile } from '../errors';
import { type Moment, type ReadMoment, setDate, two } from './moment';

/** The parts of a format; what is none of them stands for itself. */
const TOKENS = ['YYYY', 'MM', 'DD', 'HH', 'mm', 'ss', 'SSS'] as const;
type Token = (typeof TOKENS)[number];
const WIDTHS: Record<Token, number> = { YYYY: 4, MM: 2, DD: 2, HH: 2, mm: 2, ss: 2, SSS: 1 };
const DAY: readonly Token[] = ['YYYY', 'MM', 'DD'];
/** Each needs the ones before it: seconds without minutes are no time. */
const CLOCK: readonly Token[] = ['HH', 'mm', 'ss', 'SSS'];

type Part = { token: Token } | { literal: Uint8Array };

/** Reads dates written as `format` says, digit for digit. Raises `BadFile` for a format that does not tell one day. */
export function dateFormat(format: string): ReadMoment {
  const parts = partsOf(format);
  const tokens = tokensOf(parts);
  if (!isDay(tokens) || tokens.length > DAY.length) throw unusable(format, 'date', 'YYYY, MM and DD, each once');
  return reader(parts, false);
}

/** Likewise for dates with a time of the day, without a zone. */
export function timestampFormat(format: string): ReadMoment {
  const parts = partsOf(format);
  const tokens = tokensOf(parts);
  const clock = CLOCK.filter((token) => tokens.includes(token));
  const whole = CLOCK.slice(0, clock.length).every((token, index) => token === clock[index]) && clock.length > 0;
  if (!isDay(tokens) || !whole || tokens.length !== DAY.length + clock.length || fractionRunsOn(parts))
    throw unusable(format, 'timestamp', 'YYYY, MM, DD and HH, perhaps mm, ss and SSS, each once');
  return reader(parts, true);
}

function partsOf(format: string): Part[] {
  const pieces = format.split(/(YYYY|MM|DD|HH|mm|ss|SSS)/).filter((piece) => piece !== '');
  return pieces.map((piece) =>
    (TOKENS as readonly string[]).includes(piece) ? { token: piece as Token } : { literal: Buffer.from(piece) },
  );
}

function tokensOf(parts: readonly Part[]): Token[] {
  return parts.flatMap((part) => ('token' in part ? [part.token] : []));
}

function isDay(tokens: readonly Token[]): boolean {
  return DAY.every((token) => tokens.filter((it) => it === token).length === 1);
}

/** A fraction has one to six digits; digits right behind it would belong to either. */
function fractionRunsOn(parts: readonly Part[]): boolean {
  const next = parts[parts.findIndex((part) => 'token' in part && part.token === 'SSS') + 1];
  return tokensOf(parts).includes('SSS') && next !== undefined && 'token' in next;
}

function unusable(format: string, kind: string, needed: string): BadFile {
  return new BadFile('malformed', `${JSON.stringify(format)} is no ${kind} format: it needs ${needed}.`);
}

/** What the tokens of the text last read said. */
const said: Record<Token, number> = { YYYY: 0, MM: 0, DD: 0, HH: 0, mm: 0, ss: 0, SSS: 0 };

function reader(parts: readonly Part[], hasTime: boolean): ReadMoment {
  return (text, start, end, into) => {
    said.HH = said.mm = said.ss = said.SSS = 0;
    let at = start;
    for (const part of parts) {
      at = 'token' in part ? readToken(part.token, text, at, end) : readLiteral(part.literal, text, at, end);
      if (at === -1) return false;
    }
    return at === end && settle(into, hasTime);
  };
}

function settle(into: Moment, hasTime: boolean): boolean {
  if (said.HH > 23 || said.mm > 59 || said.ss > 59) return false;
  into.seconds = said.HH * 3600 + said.mm * 60 + said.ss;
  into.micros = said.SSS;
  into.zoned = false;
  into.hasTime = hasTime;
  return setDate(said.YYYY, said.MM, said.DD, into);
}

/** The place behind it, or -1. */
function readToken(token: Token, text: Uint8Array, at: number, end: number): number {
  if (at + WIDTHS[token] > end) return -1;
  if (token === 'SSS') return readFraction(text, at, end);
  const high = token === 'YYYY' ? two(text, at) : 0;
  const low = two(text, at + WIDTHS[token] - 2);
  if (high < 0 || low < 0) return -1;
  said[token] = high * 100 + low;
  return at + WIDTHS[token];
}

function readFraction(text: Uint8Array, from: number, end: number): number {
  let at = from;
  let micros = 0;
  for (; at < end && (text[at] as number) >= 48 && (text[at] as number) <= 57; at++)
    micros = micros * 10 + ((text[at] as number) - 48);
  if (at === from || at - from > 6) return -1;
  said.SSS = micros * 10 ** (6 - (at - from));
  return at;
}

function readLiteral(literal: Uint8Array, text: Uint8Array, at: number, end: number): number {
  if (at + literal.length > end) return -1;
  for (let i = 0; i < literal.length; i++) if (text[at + i] !== literal[i]) return -1;
  return at + literal.length;
}
