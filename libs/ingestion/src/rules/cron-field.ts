/** One of the five fields: its bounds and the names that stand for numbers. */
export interface CronField {
  name: string;
  min: number;
  max: number;
  names: readonly string[];
}

const MONTHS = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'];
const DAYS = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'];

export const CRON_FIELDS: readonly CronField[] = [
  { name: 'minute', min: 0, max: 59, names: [] },
  { name: 'hour', min: 0, max: 23, names: [] },
  { name: 'day of month', min: 1, max: 31, names: [] },
  { name: 'month', min: 1, max: 12, names: MONTHS },
  { name: 'day of week', min: 0, max: 7, names: DAYS },
];

const SUNDAY_AGAIN = 7;
const ITEM = /^(\*|\w+(?:-\w+)?)(?:\/(\d{1,2}))?$/;

/** The field in plain numbers (names translated, Sunday as 0), which every cron reads alike; or, as an `Error`, why it is none. */
export function canonicalField(text: string, field: CronField): string | Error {
  const items = text.split(',').map((item) => canonicalItem(item, field));
  return items.find((item) => item instanceof Error) ?? items.join(',');
}

function canonicalItem(item: string, field: CronField): string | Error {
  const [, base, step] = ITEM.exec(item) ?? [];
  if (base === undefined) return problem(item, field, 'is not a number, a range, a list or a step');
  if (step !== undefined && !stepFits(Number(step), field)) return problem(item, field, 'has a step that does not fit');
  if (base === '*') return item;
  return canonicalRange(item, base, step, field);
}

function canonicalRange(item: string, base: string, step: string | undefined, field: CronField): string | Error {
  const [from, to] = base.split('-').map((part) => numberOf(part, field));
  if (from === null || to === null || from === undefined) return problem(item, field, `is outside ${bounds(field)}`);
  if (to === undefined)
    return step === undefined
      ? String(from % sunday(field))
      : problem(item, field, `needs a range before the step, such as ${from}-${field.max}/${step}`);
  if (from > to) return problem(item, field, 'runs backwards; write two ranges');
  if (to === sunday(field))
    return every(from, to, Number(step ?? 1))
      .map((day) => day % SUNDAY_AGAIN)
      .join(',');
  return step === undefined ? `${from}-${to}` : `${from}-${to}/${step}`;
}

function numberOf(part: string, field: CronField): number | null {
  const named = field.names.indexOf(part.toUpperCase());
  if (named >= 0) return named + field.min;
  const value = /^\d{1,2}$/.test(part) ? Number(part) : NaN;
  return value >= field.min && value <= field.max ? value : null;
}

/** The number that wraps round to 0: 7 for days of the week, none elsewhere. */
function sunday(field: CronField): number {
  return field.names === DAYS ? SUNDAY_AGAIN : Infinity;
}

function every(from: number, to: number, step: number): number[] {
  return Array.from({ length: Math.floor((to - from) / step) + 1 }, (_, index) => from + index * step);
}

function stepFits(step: number, field: CronField): boolean {
  return step >= 1 && step <= field.max - field.min;
}

function bounds(field: CronField): string {
  return `${field.min}-${field.max}${field.names.length > 0 ? ` and ${field.names[0]}-${field.names.at(-1)}` : ''}`;
}

function problem(item: string, field: CronField, what: string): Error {
  return new Error(`has "${item}" in the field ${field.name}, which ${what}`);
}
