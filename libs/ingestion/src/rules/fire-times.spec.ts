import { accountedFor } from '../reconciler/tick-match';
import { fireTimes, isDoubtful, lastFireTime, missedAfter } from './fire-times';

const NEW_YORK = 'America/New_York';
const at = (text: string) => new Date(text);
const MINUTE = 60_000;

describe('fire times', () => {
  it('are those after the first and up to the second time', () => {
    const timetable = { cron: '*/10 * * * *', timezone: 'UTC' };
    expect(fireTimes(timetable, at('2026-01-01T00:00:00Z'), at('2026-01-01T00:30:00Z'), 9)).toEqual([
      at('2026-01-01T00:10:00Z'),
      at('2026-01-01T00:20:00Z'),
      at('2026-01-01T00:30:00Z'),
    ]);
  });

  it('are the earliest of too many', () => {
    const timetable = { cron: '* * * * *', timezone: 'UTC' };
    const times = fireTimes(timetable, at('2026-01-01T00:00:00Z'), at('2027-01-01T00:00:00Z'), 2);
    expect(times).toEqual([at('2026-01-01T00:01:00Z'), at('2026-01-01T00:02:00Z')]);
  });
});

describe('the last fire time', () => {
  it.each([
    ['* * * * *', '2026-03-31T23:59:00Z'],
    ['0 6 1 1 *', '2026-01-01T06:00:00Z'],
    ['0 6 1 4 *', null],
    ['* 9-17 * * 1-5', '2026-03-31T17:59:00Z'],
  ])('of %s after a new year is %s', (cron, last) => {
    const [after, until] = [at('2026-01-01T00:00:00Z'), at('2026-03-31T23:59:30Z')];
    expect(lastFireTime({ cron, timezone: 'UTC' }, after, until)).toEqual(last && at(last));
  });

  it('is neither the first moment itself nor before it', () => {
    const sought = (after: string) =>
      lastFireTime({ cron: '0 * * * *', timezone: 'UTC' }, at(after), at('2026-01-01T06:00:00Z'));
    expect([sought('2026-01-01T05:00:00Z'), sought('2026-01-01T06:00:00Z'), sought('2026-01-01T07:00:00Z')]).toEqual([
      at('2026-01-01T06:00:00Z'),
      null,
      null,
    ]);
  });
});

describe('a tick counts as missed', () => {
  it.each([
    ['* * * * *', 1],
    ['*/5 * * * *', 1],
    ['0 * * * *', 6],
    ['0 6 * * *', 60],
    ['0 6 1 1 *', 60],
  ])('%s: after %d minutes', (cron, minutes) => {
    expect(missedAfter({ cron, timezone: 'UTC' }, at('2026-01-01T06:00:00Z'))).toBe(minutes * MINUTE);
  });
});

describe('near a change of clocks', () => {
  it.each(['2026-03-08T06:30:00Z', '2026-03-08T07:30:00Z', '2026-11-01T05:30:00Z', '2026-11-01T06:00:00Z'])(
    '%s is in doubt in New York, and in no zone without changes',
    (tick) => {
      expect(isDoubtful(NEW_YORK, at(tick))).toBe(true);
      expect(isDoubtful('UTC', at(tick))).toBe(false);
    },
  );

  it.each(['2026-03-07T07:30:00Z', '2026-03-09T06:30:00Z', '2026-11-02T06:30:00Z'])('%s is not', (tick) => {
    expect(isDoubtful(NEW_YORK, at(tick))).toBe(false);
  });

  it('a tick planned an hour off stands for ours; a day later only the same second does', () => {
    expect(accountedFor(at('2026-03-08T07:30:00Z'), [at('2026-03-08T06:30:00Z')], NEW_YORK)).toBe(true);
    expect(accountedFor(at('2026-03-09T07:30:00Z'), [at('2026-03-09T06:30:00Z')], NEW_YORK)).toBe(false);
    expect(accountedFor(at('2026-03-09T06:30:00Z'), [at('2026-03-09T06:30:00Z')], NEW_YORK)).toBe(true);
  });
});
