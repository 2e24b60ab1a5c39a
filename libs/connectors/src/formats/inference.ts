import { booleanWord, isFaithful, longInteger } from '../copy/text-values';
import { DOUBLE_DIGITS, doubleOf, NumberShape, pointed, pointedText, readNumber, reading } from '../copy/number-text';
import { MAX_NUMERIC_TEXT } from '../copy/numeric';
import type { Moment, ReadMoment } from '../copy/moment';
import { momentReader, PLAIN_FORMS, type ValueForms } from '../copy/value-forms';
import type { ColumnType } from '../column';
import { type Culprit, culpritOf, whyText, whyType } from './inference-words';

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

/** How the values of a column are written, ready to be read. */
export interface ReadingForms {
  read: ReadMoment;
  comma: boolean;
  /** Whoever names a format of dates means dates, also where they could be numbers (`YYYYMMDD`). */
  momentsFirst: boolean;
}

export function readingForms(forms: ValueForms): ReadingForms {
  const momentsFirst = forms.dateFormat !== null || forms.timestampFormat !== null;
  return { read: momentReader(forms), comma: forms.decimal === ',', momentsFirst };
}

const PLAIN = readingForms(PLAIN_FORMS);

/** What has been seen of one column. */
export class ColumnEvidence {
  private candidates = ALL;
  private seen = 0;
  private nested: Culprit | null = null;
  /** The value that took each candidate away, in the order of `CANDIDATES`. */
  private readonly culprits: (Culprit | undefined)[] = [];
  /** The value that took the last one away. */
  private last: Culprit | null = null;

  constructor(
    readonly source: string,
    private readonly forms = PLAIN,
  ) {}

  /** `line`: where it stands, for the sentence that tells why. */
  observe(kind: ValueKind, text: Uint8Array, start: number, end: number, line: number): void {
    this.seen++;
    if (kind === 'nested') this.nested ??= this.culprit(kind, text, start, end, line);
    if (this.candidates === 0) return;
    const left = this.candidates & ALLOWED[kind] & candidatesOf(text, start, end, this.candidates, this.forms);
    if (left !== this.candidates) this.takeAway(left, this.culprit(kind, text, start, end, line));
  }

  /** Nothing but NULLs gives text: any value fits it later. */
  get type(): ColumnType {
    if (this.nested !== null) return 'jsonb';
    return this.seen === 0 ? 'text' : this.bestOf(this.candidates);
  }

  /** The evidence for the type, as a sentence. */
  get why(): string {
    const { type, seen, nested, last } = this;
    if (seen === 0) return 'No value was seen.';
    if (nested !== null) return `A list or an object was seen (line ${nested.line}): ${nested.text}.`;
    if (last !== null) return whyText(last);
    const place = CANDIDATES.findIndex(([candidate]) => candidate === type);
    return whyType(type, seen, this.culprits[place - 1]);
  }

  private takeAway(left: number, culprit: Culprit): void {
    CANDIDATES.forEach(([, bit], place) => {
      if ((this.candidates & ~left & bit) !== 0) this.culprits[place] = culprit;
    });
    this.candidates = left;
    if (left === 0) this.last = culprit;
  }

  private culprit(kind: ValueKind, text: Uint8Array, start: number, end: number, line: number): Culprit {
    const typed = kind !== 'string' && candidatesOf(text, start, end, ALL, this.forms) !== 0;
    const before = this.bestOf(this.candidates);
    return culpritOf(text, start, end, { line, before, typed, quoted: kind === 'string' });
  }

  private bestOf(candidates: number): ColumnType {
    const moments = this.forms.momentsFirst ? candidates & MOMENTS : 0;
    const wanted = moments === 0 ? candidates : moments;
    return CANDIDATES.find(([, bit]) => (wanted & bit) !== 0)?.[0] ?? 'text';
  }
}

function candidatesOf(text: Uint8Array, start: number, end: number, wanted: number, forms: ReadingForms): number {
  const first = text[start] as number;
  const isWord = first > DIGIT_OR_SIGN_MAX && booleanWord(text, start, end) !== -1;
  // Only a format of one's own can begin with a letter.
  if (isWord || (first > DIGIT_OR_SIGN_MAX && !forms.momentsFirst)) return isWord ? BOOLEAN : 0;
  const numbers = (wanted & NUMBERS) === 0 ? 0 : numbersIn(text, start, end, forms.comma);
  return numbers | ((wanted & MOMENTS) === 0 ? 0 : momentCandidates(text, start, end, forms.read));
}

function numbersIn(text: Uint8Array, start: number, end: number, comma: boolean): number {
  if (!comma) return numberCandidates(text, start, end);
  return pointed(text, start, end) ? numberCandidates(pointedText, 0, end - start) : 0;
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

function momentCandidates(text: Uint8Array, start: number, end: number, read: ReadMoment): number {
  if (!read(text, start, end, moment)) return 0;
  if (!moment.hasTime) return DATE | TIMESTAMP;
  return moment.zoned ? TIMESTAMP_TZ : TIMESTAMP;
}
