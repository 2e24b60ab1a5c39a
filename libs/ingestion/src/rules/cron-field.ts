/** One of the five fields: what may be written, and the names that stand for numbers. */
export interface CronField {
  name: string;
  min: number;
  /** The largest number that may be written. */
  max: number;
  /** The largest that means something of its own: 7, too, is Sunday. */
  last: number;
  names: readonly string[];
}

const MONTHS = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'];
const DAYS = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'];

export const CRON_FIELDS: readonly CronField[] = [
  { name: 'minute', min: 0, max: 59, last: 59, names: [] },
  { name: 'hour', min: 0, max: 23, last: 23, names: [] },
  { name: 'day of month', min: 1, max: 31, last: 31, names: [] },
  { name: 'month', min: 1, max: 12, last: 12, names: MONTHS },
  { name: 'day of week', min: 0, max: 7, last: 6, names: DAYS },
];

const ITEM = /^(\*|\w+(?:-\w+)?)(?:\/(\d{1,2}))?$/;

/**
 * The field in the few forms that every cron reads alike: `*`, a step of all, or a list of single numbers and true ranges, names
 * translated and Sunday as 0. Or, as an `Error`, why it is none. (croniter takes `1-1` for every day, and a step beyond its range too.)
 */
export function canonicalField(text: string, field: CronField): string | Error {
  const items: Item[] = [];
  for (const part of text.split(',')) {
    const item = readItem(part, field);
    if (item instanceof Error) return item;
    items.push(item);
  }
  if (items.some((item) => item.plain === '*')) return '*';
  const [first, ...others] = items;
  if (first && others.length === 0) return first.plain;
  return listOf(
    items.flatMap((item) => item.values),
    field,
  );
}

interface Item {
  values: number[];
  /** How it is written when it stands alone. */
  plain: string;
}

function readItem(item: string, field: CronField): Item | Error {
  const [, base, digits] = ITEM.exec(item) ?? [];
  if (base === undefined) return problem(item, field, 'is not a number, a range, a list or a step');
  const step = Number(digits ?? 1);
  if (!stepFits(step, field)) return problem(item, field, 'has a step that does not fit');
  if (base !== '*') return readRange(item, base, digits, field);
  return { values: every(field.min, field.last, step), plain: step === 1 ? '*' : item };
}

function readRange(item: string, base: string, step: string | undefined, field: CronField): Item | Error {
  const [from, to] = base.split('-').map((part) => numberOf(part, field));
  if (from === null || to === null || from === undefined) return problem(item, field, `is outside ${bounds(field)}`);
  if (to === undefined && step !== undefined) {
    return problem(item, field, `needs a range before the step, such as ${from}-${field.last}/${step}`);
  }
  if (to !== undefined && from > to) return problem(item, field, 'runs backwards; write two ranges');
  const values = every(from, to ?? from, Number(step ?? 1));
  const isRange = to !== undefined && step === undefined && from < to && to <= field.last;
  return { values, plain: isRange ? `${from}-${to}` : listOf(values, field) };
}

function numberOf(part: string, field: CronField): number | null {
  const named = field.names.indexOf(part.toUpperCase());
  if (named >= 0) return named + field.min;
  const value = /^\d{1,2}$/.test(part) ? Number(part) : NaN;
  return value >= field.min && value <= field.max ? value : null;
}

function listOf(values: number[], field: CronField): string {
  const real = values.map((value) => (value > field.last ? field.min : value));
  return [...new Set(real)].sort((a, b) => a - b).join(',');
}

function every(from: number, to: number, step: number): number[] {
  return Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, index) => from + index * step);
}

function stepFits(step: number, field: CronField): boolean {
  return step >= 1 && step <= field.last - field.min;
}

function bounds(field: CronField): string {
  return `${field.min}-${field.max}${field.names.length > 0 ? ` and ${field.names[0]}-${field.names.at(-1)}` : ''}`;
}

function problem(item: string, field: CronField, what: string): Error {
  return new Error(`has "${item}" in the field ${field.name}, which ${what}`);
}
