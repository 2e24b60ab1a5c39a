import { readFileSync } from 'node:fs';
import { parse } from 'csv-parse/sync';

/** What a file holds by readers that have nothing to do with ours: csv-parse and JSON.parse. */
export interface IndependentRows {
  columns: string[];
  rows: Map<string, SourceValue>[];
}

/** A value as the file writes it: numbers keep their digits, objects and lists hold such values too. */
export type SourceValue = null | boolean | string | Digits | SourceValue[] | { [name: string]: SourceValue };

/** A number's own text: a double would lose digits beyond the 15th. */
export class Digits {
  constructor(readonly text: string) {}
}

export function independentRows(path: string): IndependentRows {
  const text = readFileSync(path, 'utf8');
  return path.endsWith('.json') ? jsonRows(text) : csvRows(text, path.endsWith('.tsv') ? '\t' : ',');
}

function csvRows(text: string, delimiter: string): IndependentRows {
  const [columns = [], ...records] = parse(text, {
    delimiter,
    bom: true,
    cast: (value, { quoting }) => (value === '' && !quoting ? null : value),
  }) as (string | null)[][];
  const names = columns.map((name) => name ?? '');
  return { columns: names, rows: records.map((record) => new Map(names.map((name, n) => [name, record[n] ?? null]))) };
}

function jsonRows(text: string): IndependentRows {
  const parsed = parseExactly(text);
  const records = (Array.isArray(parsed) ? parsed : [parsed]) as { [name: string]: SourceValue }[];
  const columns = [...new Set(records.flatMap((record) => Object.keys(record)))];
  return { columns, rows: records.map((record) => new Map(Object.entries(record))) };
}

const STRING_OR_NUMBER = /("(?:[^"\\]|\\.)*")|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const MARK = '\u0001number';

/** Like JSON.parse, but numbers are `Digits`. */
export function parseExactly(text: string): SourceValue {
  const marked = text.replace(STRING_OR_NUMBER, (found, string?: string) => string ?? `{"\\u0001number":"${found}"}`);
  return JSON.parse(marked, (_, value: SourceValue) =>
    value !== null && typeof value === 'object' && MARK in value ? new Digits((value as never)[MARK]) : value,
  ) as SourceValue;
}

/** A value of the file as its column should show it; `null` where it should be NULL. */
export function expectedIn(type: string, value: SourceValue | undefined): string | null {
  if (value === null || value === undefined) return null;
  if (type === 'jsonb') return canonical(value);
  const text = value instanceof Digits ? value.text : typeof value === 'object' ? canonical(value) : String(value);
  return (FORMS[type] ?? asIs)(text);
}

/** What a column (its `::text`) shows, in the same form: equal for equal values. */
export function shownIn(type: string, shown: string | null): string | null {
  if (shown === null) return null;
  return type === 'jsonb' ? canonical(parseExactly(shown)) : (FORMS[type] ?? asIs)(shown);
}

const asIs = (text: string): string => text;
const inTime = (text: string): string =>
  text
    .replace('T', ' ')
    .replace(/(\.\d*?)0+$/, '$1')
    .replace(/\.$/, '');

/** Texts of one type that mean the same become the same. */
const FORMS: Record<string, (text: string) => string> = {
  smallint: decimal,
  integer: decimal,
  bigint: decimal,
  numeric: decimal,
  'double precision': decimal,
  boolean: (text) => text.toLowerCase(),
  'timestamp without time zone': inTime,
  'timestamp with time zone': (text) => new Date(text.replace(' ', 'T').replace(/([+-]\d\d)$/, '$1:00')).toISOString(),
};

/** `-12.50e3` as its sign, its digits without zeros at either end, and the exponent of the last: exact, whatever the size. */
export function decimal(text: string): string {
  const [, sign = '', whole = '', part = '', exponent = '0'] =
    /^([+-]?)(\d*)\.?(\d*)(?:[eE]([+-]?\d+))?$/.exec(text) ?? [];
  const digits = `${whole}${part}`.replace(/^0+/, '');
  const kept = digits.replace(/0+$/, '');
  if (whole + part === '') return `no number: ${text}`;
  return `${sign === '-' ? '-' : ''}${kept}e${kept === '' ? 0 : Number(exponent) - part.length + digits.length - kept.length}`;
}

/** Equal for equal values: members in the order of their names, numbers by value. */
function canonical(value: SourceValue): string {
  if (value instanceof Digits) return decimal(value.text);
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const members = Object.keys(value).sort();
  return `{${members.map((name) => `${JSON.stringify(name)}:${canonical(value[name] ?? null)}`).join(',')}}`;
}
