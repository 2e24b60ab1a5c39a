import { booleanWord, isFaithful, longInteger } from '../copy/text-values';
import { DOUBLE_DIGITS, doubleOf, NumberShape, readNumber, reading } from '../copy/number-text';
import { MAX_NUMERIC_TEXT } from '../copy/numeric';
import { type Moment, readMoment } from '../copy/moment';
import type { ColumnType } from '../column';

/**
 * Which types would give each value seen so far back unchanged. A column starts with all, every value takes away those that do not fit,
 * and the narrowest that is left wins. The tests are the very ones the encoders apply, so what was inferred also loads.
 */
const CANDIDATES = [
  ['boolean', 1],
  ['bigint', 2],
  ['double precision', 4],
  ['numeric', 8],
  ['date', 16],
  ['timestamp without time zone', 32],
  ['timestamp with time zone', 64],
] as const satisfies readonly (readonly [ColumnType, number])[];
const BOOLEAN = 1;
const WHOLE = 2;
const DOUBLE = 4;
const NUMERIC = 8;
const DATE = 16;
const TIMESTAMP = 32;
const TIMESTAMP_TZ = 64;
const ALL = 127;
const NUMBERS = WHOLE | DOUBLE | NUMERIC;
const MOMENTS = DATE | TIMESTAMP | TIMESTAMP_TZ;
const DIGIT_OR_SIGN_MAX = 57;

const moment: Moment = { days: 0, seconds: 0, micros: 0, zoned: false, hasTime: false };

/** How a value was written; only JSON knows more than `plain`. */
export type ValueKind = 'plain' | 'string' | 'number' | 'boolean' | 'nested';
const ALLOWED: Record<ValueKind, number> = {
  plain: ALL,
  // A JSON string of digits was meant as text (a code, a zip); only dates have no other way to be written.
  string: MOMENTS,
  number: NUMBERS,
  boolean: BOOLEAN,
  nested: 0,
};

/** What has been seen of one column. */
export class ColumnEvidence {
  private candidates = ALL;
  private seen = false;
  private nested = false;

  constructor(readonly source: string) {}

  observe(kind: ValueKind, text: Uint8Array, start: number, end: number): void {
    this.seen = true;
    if (kind === 'nested') this.nested = true;
    if (this.candidates !== 0) this.candidates &= ALLOWED[kind] & candidatesOf(text, start, end, this.candidates);
  }

  /** Nothing but NULLs gives text: any value fits it later. */
  get type(): ColumnType {
    if (this.nested) return 'jsonb';
    if (!this.seen) return 'text';
    return CANDIDATES.find(([, bit]) => (this.candidates & bit) !== 0)?.[0] ?? 'text';
  }
}

function candidatesOf(text: Uint8Array, start: number, end: number, wanted: number): number {
  const first = text[start] as number;
  if (first > DIGIT_OR_SIGN_MAX) return booleanWord(text, start, end) === -1 ? 0 : BOOLEAN;
  const numbers = (wanted & NUMBERS) === 0 ? 0 : numberCandidates(text, start, end);
  return numbers | ((wanted & MOMENTS) === 0 ? 0 : momentCandidates(text, start, end));
}

function numberCandidates(text: Uint8Array, start: number, end: number): number {
  const shape = readNumber(text, start, end);
  if (shape === NumberShape.None) return 0;
  const minusZero = reading.negative && reading.digits === 0;
  const double = reading.digits <= DOUBLE_DIGITS && isFaithful(doubleOf(text, start, end)) ? DOUBLE : 0;
  if (minusZero) return double;
  const numeric = end - start <= MAX_NUMERIC_TEXT ? NUMERIC : 0;
  if (shape !== NumberShape.Whole) return double | numeric;
  const fits = reading.digits <= DOUBLE_DIGITS || longInteger(text, start, end) !== null;
  return (fits ? WHOLE : 0) | double | numeric;
}

function momentCandidates(text: Uint8Array, start: number, end: number): number {
  if (!readMoment(text, start, end, moment)) return 0;
  if (!moment.hasTime) return DATE | TIMESTAMP;
  return moment.zoned ? TIMESTAMP_TZ : TIMESTAMP;
}
