import { ValueError } from '@sluice/kernel';
import fc from 'fast-check';
import type { ScheduleInput } from '../inputs';
import { FREQUENCIES } from '../types';
import { sameTimetable, scheduleSpec, timetableOf } from './schedule';

const timetable = (input: ScheduleInput) => timetableOf(scheduleSpec(input));
const cron = (cron_expression: string) => timetable({ frequency: 'custom', cron_expression })?.cron;

/** The error itself, so that its class and its content can be asserted. */
function refusal(input: ScheduleInput): ValueError {
  try {
    scheduleSpec(input);
  } catch (error) {
    if (error instanceof ValueError) return error;
    throw error;
  }
  throw new Error(`accepted: ${JSON.stringify(input)}`);
}

describe('a schedule becomes a cron expression in its own time zone', () => {
  it.each<[ScheduleInput, string]>([
    [{ frequency: 'hourly' }, '0 * * * *'],
    [{ frequency: 'hourly', time: '09:45' }, '45 * * * *'],
    [{ frequency: 'daily', time: '14:30' }, '30 14 * * *'],
    [{ frequency: 'daily' }, '0 0 * * *'],
    [{ frequency: 'weekly', time: '06:05', day_of_week: 0 }, '5 6 * * 0'],
    [{ frequency: 'weekly', time: '06:05', day_of_week: 6 }, '5 6 * * 6'],
    [{ frequency: 'monthly', time: '23:59', day_of_month: 31 }, '59 23 31 * *'],
  ])('%j -> %s', (input, expected) => {
    expect(timetable({ ...input, timezone: 'America/New_York' })).toEqual({
      cron: expected,
      timezone: 'America/New_York',
    });
  });

  it('has no timetable when it is manual', () => {
    expect(timetable({ frequency: 'manual' })).toBeNull();
  });

  it('fills every field that was left out', () => {
    expect(scheduleSpec({ frequency: 'daily' })).toEqual({
      frequency: 'daily',
      time: '00:00',
      day_of_week: 0,
      day_of_month: 1,
      timezone: 'UTC',
      cron_expression: null,
      overlap_policy: 'skip',
      missed_runs: 'latest',
    });
  });

  it('can be sent back as it was read', () => {
    const read = scheduleSpec({ frequency: 'weekly', time: '10:00', day_of_week: 3 });
    expect(scheduleSpec(read)).toEqual(read);
  });

  it('is unchanged for Prefect when only the words differ', () => {
    const daily = scheduleSpec({ frequency: 'daily', time: '14:30' });
    expect(sameTimetable(daily, scheduleSpec({ frequency: 'custom', cron_expression: '30 14 * * *' }))).toBe(true);
    expect(sameTimetable(daily, scheduleSpec({ frequency: 'daily', time: '14:31' }))).toBe(false);
    expect(sameTimetable(daily, scheduleSpec({ frequency: 'daily', time: '14:30', timezone: 'Asia/Tokyo' }))).toBe(
      false,
    );
    expect(sameTimetable(daily, scheduleSpec({ frequency: 'manual' }))).toBe(false);
  });
});

describe('a custom cron expression reaches Prefect as five fields of plain numbers', () => {
  it.each([
    ['30 14 * * 1-5', '30 14 * * 1-5'],
    ['  */15   9-17 * *\tMON-fri ', '*/15 9-17 * * 1-5'],
    ['0 0 1 JAN,jul *', '0 0 1 1,7 *'],
    ['0 0 * * 7', '0 0 * * 0'],
    ['0 0 * * 5-7', '0 0 * * 0,5,6'],
    ['0 0 * * 1-7/2', '0 0 * * 0,1,3,5'],
    ['0 0 * * 1-1', '0 0 * * 1'],
    ['0 0 29-29/21 * *', '0 0 29 * *'],
    ['0 9-17/4 * * *', '0 9,13,17 * * *'],
    ['5,3,3-4 * * * *', '3,4,5 * * * *'],
    ['0 0 1,* * 1', '0 0 * * 1'],
    ['*/1 0 * * *', '* 0 * * *'],
    ['0 0 * * */2', '0 0 * * */2'],
    ['0 0 29 2 *', '0 0 29 2 *'],
    ['0 0 29 2 1', '0 0 29 2 1'],
    ['@yearly', '0 0 1 1 *'],
    ['@annually', '0 0 1 1 *'],
    ['@monthly', '0 0 1 * *'],
    ['@weekly', '0 0 * * 0'],
    ['@daily', '0 0 * * *'],
    ['@midnight', '0 0 * * *'],
    ['@hourly', '0 * * * *'],
  ])('%j -> %j', (given, sent) => {
    expect(cron(given)).toBe(sent);
  });

  it.each([
    ['0 0 0 * * *', 'has 6 fields'],
    ['0 0 0 1 1 * 2030', 'has 7 fields'],
    ['0 0 * *', 'has 4 fields'],
    ['', 'has 0 fields'],
    ['@reboot', 'is not a known nickname'],
    ['@every 5m', 'is not a known nickname'],
    ['TZ=UTC 0 0 * * *', 'has 6 fields'],
    ['TZ=UTC 0 * * *', 'has "TZ=UTC" in the field minute'],
    ['H * * * *', 'has "H" in the field minute'],
    ['R * * * *', 'has "R" in the field minute'],
    ['0 0 L * *', 'has "L" in the field day of month'],
    ['0 0 15W * *', 'has "15W" in the field day of month'],
    ['0 0 * * 5#2', 'has "5#2" in the field day of week'],
    ['0 0 ? * 1', 'has "?" in the field day of month'],
    ['60 * * * *', 'which is outside 0-59'],
    ['0 24 * * *', 'which is outside 0-23'],
    ['0 0 0 * *', 'which is outside 1-31'],
    ['0 0 1 13 *', 'which is outside 1-12 and JAN-DEC'],
    ['0 0 * * 8', 'which is outside 0-7 and SUN-SAT'],
    ['0 0 * FEB-JAN *', 'runs backwards'],
    ['0 0 * * FRI-MON', 'runs backwards'],
    ['5/15 * * * *', 'needs a range before the step, such as 5-59/15'],
    ['*/0 * * * *', 'has a step that does not fit'],
    ['*/60 * * * *', 'has a step that does not fit'],
    ['1,,2 * * * *', 'has "" in the field minute'],
    ['-1 * * * *', 'has "-1" in the field minute'],
    ['0 0 31 2 *', 'never fires'],
    ['0 0 30 2 *', 'never fires: none of its months has such a day'],
    ['0 0 31 4 FRI', 'never fires: none of its months has such a day'],
    ['0 0 31 4,6,9,11 *', 'never fires'],
  ])('refuses %j, which %s', (cron_expression, problem) => {
    const error = refusal({ frequency: 'custom', cron_expression });
    expect(error.path).toBe('schedule.cron_expression');
    expect(error.message).toContain(`schedule.cron_expression ${JSON.stringify(cron_expression.trim())}`);
    expect(error.message).toContain(problem);
  });

  it('is needed by the frequency custom and by no other', () => {
    expect(refusal({ frequency: 'custom' }).message).toBe(
      'schedule.cron_expression null is needed by frequency "custom". Give five fields such as "30 14 * * 1-5".',
    );
    expect(refusal({ frequency: 'daily', cron_expression: '0 0 * * *' })).toMatchObject({
      path: 'schedule.cron_expression',
      message: expect.stringContaining('does not go with frequency "daily"') as string,
    });
  });
});

describe('the time zone is an IANA name', () => {
  it.each([
    ['utc', 'UTC'],
    ['europe/berlin', 'Europe/Berlin'],
    ['AMERICA/NEW_YORK', 'America/New_York'],
    ['Asia/Kolkata', 'Asia/Kolkata'],
    ['US/Pacific', 'US/Pacific'],
    ['America/Argentina/Buenos_Aires', 'America/Argentina/Buenos_Aires'],
  ])('%j is kept as %j', (given, kept) => {
    expect(scheduleSpec({ frequency: 'daily', timezone: given }).timezone).toBe(kept);
  });

  it.each(['', ' ', '+02:00', '-0500', '02:00', 'UTC+2', 'Europe/Berlin ', 'Mars/Olympus', 'Europe/../etc', 'local'])(
    'refuses %j',
    (timezone) => {
      const error = refusal({ frequency: 'daily', timezone });
      expect(error.path).toBe('schedule.timezone');
      expect(error.message).toContain(`${JSON.stringify(timezone)} is not a time zone. Give an IANA name`);
    },
  );
});

describe('every other field is checked by its own name', () => {
  it.each<[Partial<ScheduleInput>, string]>([
    [{ frequency: 'yearly' }, 'schedule.frequency'],
    [{ time: '24:00' }, 'schedule.time'],
    [{ time: '9:00' }, 'schedule.time'],
    [{ time: '09:60' }, 'schedule.time'],
    [{ time: '09:00:00' }, 'schedule.time'],
    [{ day_of_week: 7 }, 'schedule.day_of_week'],
    [{ day_of_week: -1 }, 'schedule.day_of_week'],
    [{ day_of_week: 1.5 }, 'schedule.day_of_week'],
    [{ day_of_month: 0 }, 'schedule.day_of_month'],
    [{ day_of_month: 32 }, 'schedule.day_of_month'],
    [{ overlap_policy: 'queue' }, 'schedule.overlap_policy'],
    [{ missed_runs: 'all' }, 'schedule.missed_runs'],
    [{ crontab: '* * * * *' } as object, 'schedule.crontab'],
  ])('%j -> %s', (field, path) => {
    expect(refusal({ frequency: 'daily', ...field }).path).toBe(path);
  });
});

describe('whatever is given', () => {
  const anySchedule = fc.record(
    {
      frequency: fc.constantFrom(...FREQUENCIES),
      time: fc.oneof(fc.string(), fc.constantFrom('00:00', '23:59', '12:34')),
      day_of_week: fc.integer({ min: -1, max: 8 }),
      day_of_month: fc.integer({ min: -1, max: 33 }),
      timezone: fc.constantFrom('UTC', 'Europe/Paris', 'nowhere', ''),
      cron_expression: fc.oneof(
        fc.constant(null),
        fc.string(),
        fc
          .array(fc.stringMatching(/^[0-9*,/?LW#MONJA-]{1,6}$/), { minLength: 5, maxLength: 5 })
          .map((p) => p.join(' ')),
      ),
    },
    { requiredKeys: ['frequency'] },
  );

  it('ends in five plain fields, in no timetable or in a ValueError with its path', () => {
    fc.assert(
      fc.property(anySchedule, (input) => {
        try {
          expect(timetable(input)?.cron ?? '* * * * *').toMatch(/^([\d*,/-]+ ){4}[\d*,/-]+$/);
        } catch (error) {
          expect(error).toMatchObject({ code: 'VALUE_ERROR', path: expect.stringMatching(/^schedule\./) as string });
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('is kept the same when it is read a second time', () => {
    fc.assert(
      fc.property(anySchedule, (input) => {
        let once;
        try {
          once = scheduleSpec(input);
        } catch {
          return;
        }
        expect(scheduleSpec(once)).toEqual(once);
      }),
    );
  });
});
