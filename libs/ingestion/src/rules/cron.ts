import { Cron } from 'croner';
import { canonicalField, CRON_FIELDS } from './cron-field';
import { refuse } from './refuse';

const NICKNAMES: Readonly<Record<string, string>> = {
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
  '@monthly': '0 0 1 * *',
  '@weekly': '0 0 * * 0',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@hourly': '0 * * * *',
};

const PATH = 'schedule.cron_expression';
const REMEDY = `Give five fields (minute hour day-of-month month day-of-week), such as "30 14 * * 1-5", or one of ${Object.keys(NICKNAMES).join(', ')}.`;

/**
 * The expression as five fields of plain numbers. Only what every cron reads alike is taken, so Prefect never sees a bad one nor
 * reads it otherwise: no seconds or years, no `?`, `L`, `W`, `#`, `H`, `R`, no prefix. What never fires is refused.
 */
export function canonicalCron(expression: string, timezone: string): string {
  const text = expression.trim();
  const cron = text.startsWith('@')
    ? (NICKNAMES[text.toLowerCase()] ?? refused(expression, 'is not a known nickname'))
    : fiveFields(text);
  if (!hasItsDays(cron, timezone)) {
    refuse(PATH, expression, 'never fires: none of its months has such a day', 'Choose a day which its month has.');
  }
  return cron;
}

function fiveFields(text: string): string {
  const parts = text.split(/\s+/).filter(Boolean);
  if (parts.length !== CRON_FIELDS.length) refused(text, `has ${parts.length} fields`);
  return CRON_FIELDS.map((field, index) => {
    const canonical = canonicalField(parts[index] ?? '', field);
    return canonical instanceof Error ? refused(text, canonical.message) : canonical;
  }).join(' ');
}

/** Without its days of the week: beside a date that never comes croniter does not find those either. */
function hasItsDays(cron: string, timezone: string): boolean {
  const anyWeekday = cron.replace(/\S+$/, '*');
  return new Cron(anyWeekday, { timezone, mode: '5-part', paused: true }).nextRun() !== null;
}

function refused(expression: string, problem: string): never {
  return refuse(PATH, expression, problem, REMEDY);
}
