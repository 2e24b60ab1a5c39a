import type { Timetable } from '@sluice/orchestration-gateway';
import type { ScheduleInput } from '../inputs';
import { FREQUENCIES, MISSED_RUNS, OVERLAP_POLICIES, type ScheduleSpec } from '../types';
import { canonicalCron } from './cron';
import { oneOf, onlyKnown, refuse, wholeNumber } from './refuse';
import { canonicalTimezone } from './timezone';

const FIELDS = [
  'frequency',
  'time',
  'day_of_week',
  'day_of_month',
  'timezone',
  'cron_expression',
  'overlap_policy',
  'missed_runs',
] as const satisfies readonly (keyof ScheduleSpec)[];

/**
 * A schedule with all its defaults. A field its frequency does not use is kept and has no effect, so that what a reader gets can
 * be sent back; only a `cron_expression` beside another frequency is refused, since one of the two cannot be meant.
 */
export function scheduleSpec(input: ScheduleInput): ScheduleSpec {
  onlyKnown('schedule', input, FIELDS);
  const spec: ScheduleSpec = {
    frequency: oneOf('schedule.frequency', input.frequency, FREQUENCIES),
    time: timeOfDay(input.time ?? '00:00'),
    day_of_week: wholeNumber('schedule.day_of_week', input.day_of_week, { min: 0, max: 6, fallback: 0 }),
    day_of_month: wholeNumber('schedule.day_of_month', input.day_of_month, { min: 1, max: 31, fallback: 1 }),
    timezone: canonicalTimezone(input.timezone ?? 'UTC'),
    cron_expression: input.cron_expression?.trim() ?? null,
    overlap_policy: oneOf('schedule.overlap_policy', input.overlap_policy, OVERLAP_POLICIES, 'skip'),
    missed_runs: oneOf('schedule.missed_runs', input.missed_runs, MISSED_RUNS, 'latest'),
  };
  timetableOf(spec);
  return spec;
}

/** When the schedule fires; `null` for `manual`. Throws for a `cron_expression` that is wrong, missing or out of place. */
export function timetableOf(spec: ScheduleSpec): Timetable | null {
  if (spec.frequency !== 'custom' && spec.cron_expression !== null) {
    const remedy = `Leave it out, or set schedule.frequency to "custom".`;
    refuse('schedule.cron_expression', spec.cron_expression, `does not go with frequency "${spec.frequency}"`, remedy);
  }
  const cron = CRON_OF[spec.frequency](spec);
  return cron === null ? null : { cron, timezone: spec.timezone };
}

/** Whether two schedules mean the same to Prefect. */
export function sameTimetable(one: ScheduleSpec, other: ScheduleSpec): boolean {
  const [a, b] = [timetableOf(one), timetableOf(other)];
  return a?.cron === b?.cron && a?.timezone === b?.timezone;
}

const CRON_OF: Record<ScheduleSpec['frequency'], (spec: ScheduleSpec) => string | null> = {
  hourly: (spec) => `${minute(spec)} * * * *`,
  daily: (spec) => `${minute(spec)} ${hour(spec)} * * *`,
  weekly: (spec) => `${minute(spec)} ${hour(spec)} * * ${spec.day_of_week}`,
  monthly: (spec) => `${minute(spec)} ${hour(spec)} ${spec.day_of_month} * *`,
  custom: (spec) => canonicalCron(spec.cron_expression ?? missingExpression(), spec.timezone),
  manual: () => null,
};

function minute(spec: ScheduleSpec): number {
  return Number(spec.time.slice(3));
}

function hour(spec: ScheduleSpec): number {
  return Number(spec.time.slice(0, 2));
}

function timeOfDay(value: string): string {
  if (/^([01]\d|2[0-3]):[0-5]\d$/.test(value)) return value;
  return refuse('schedule.time', value, 'is not a time of day', 'Write HH:MM from 00:00 to 23:59, such as "14:30".');
}

function missingExpression(): never {
  const remedy = 'Give five fields such as "30 14 * * 1-5".';
  return refuse('schedule.cron_expression', null, 'is needed by frequency "custom"', remedy);
}
