import type { ColumnType } from '../column';
import { shown } from './bad-rows';

/** A value that took candidates away. */
export interface Culprit {
  text: string;
  line: number;
  /** What all values before it could be. */
  before: ColumnType;
  /** It is of a type itself, only not of that of the values before. */
  typed: boolean;
  /** Written as a JSON string. */
  quoted: boolean;
}

const NOUNS: Partial<Record<ColumnType, string>> = {
  boolean: 'true or false',
  bigint: 'whole numbers',
  'double precision': 'numbers of at most 15 digits',
  numeric: 'numbers',
  date: 'dates',
  'timestamp without time zone': 'dates or times without a zone',
  'timestamp with time zone': 'times with a zone',
};

/** Why a narrower type would not do, by the type that was taken. */
const NARROWER: Partial<Record<ColumnType, string>> = {
  'double precision': 'is no whole number of 64 bits',
  numeric: 'would not be the same in double precision',
  'timestamp without time zone': 'has a time of the day',
};

export function culpritOf(text: Uint8Array, start: number, end: number, rest: Omit<Culprit, 'text'>): Culprit {
  return { text: shown(text, start, end), ...rest };
}

/** `narrower` is what took the next narrower type away. */
export function whyType(type: ColumnType, seen: number, narrower: Culprit | undefined): string {
  const reason = NARROWER[type];
  const because =
    reason === undefined || narrower === undefined ? '' : `; "${narrower.text}" (line ${narrower.line}) ${reason}`;
  const all = seen === 1 ? 'The one value seen is' : `All ${seen.toLocaleString('en-US')} values seen are`;
  return `${all} ${nounsOf(type, seen)}${because}.`;
}

/** `a whole number` of `whole numbers`. */
function nounsOf(type: ColumnType, count: number): string {
  const nouns = NOUNS[type] ?? type;
  if (count > 1 || type === 'boolean') return nouns;
  return `a ${nouns.replace(/^(.*?)s\b/, '$1').replace(/^date or times/, 'date or time')}`;
}

export function whyText(culprit: Culprit): string {
  return `Text because of "${culprit.text}" (line ${culprit.line}): ${reasonOf(culprit)}.`;
}

function reasonOf({ text, before, typed, quoted }: Culprit): string {
  if (quoted) return 'it is written as a string and is no date in ISO 8601';
  if (typed) return `it does not go with the values before, which are ${NOUNS[before] ?? before}`;
  if (/^\s*[+-]?[\d.,_]*\d[\d.,_]*\s*$/.test(text)) return 'a number would not give it back';
  if (/^\d{1,4}([./-])\d{1,2}\1\d{1,4}\b/.test(text))
    return 'its order of day and month is not told; set date_format or timestamp_format in format.options';
  return 'it is no number, date, true or false';
}
