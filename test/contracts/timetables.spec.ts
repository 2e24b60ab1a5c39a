import { timetableOf } from '@sluice/ingestion';
import type { Timetable } from '@sluice/orchestration-gateway';
import { accountedFor } from '../../libs/ingestion/src/reconciler/tick-match';
import { scheduleSpec } from '../../libs/ingestion/src/rules';
import { fireTimes } from '../../libs/ingestion/src/rules/fire-times';
import type { ScheduleInput } from '../../libs/ingestion/src/inputs';
import { startGateway, type TestGateway } from '../support/gateway';
import { describeWithPrefect, realPrefect } from '../support/prefect';
import { until } from '../support/until';

const NEW_YORK = 'America/New_York';

/** Times as Prefect plans them; one that depends on Prefect's Python has both forms. */
type Golden = [title: string, schedule: ScheduleInput, from: string, until: string, times: (string | string[])[]];

const custom = (cron_expression: string, timezone = 'UTC') => ({ frequency: 'custom', cron_expression, timezone });

const GOLDEN: Golden[] = [
  [
    'a time that the spring leaves out fires once that day',
    { frequency: 'daily', time: '02:30', timezone: NEW_YORK },
    '2026-03-07T00:00:00Z',
    '2026-03-10T00:00:00Z',
    // 06:30 on Python 3.12 and before, 07:30 on later ones.
    ['2026-03-07T07:30Z', ['2026-03-08T06:30Z', '2026-03-08T07:30Z'], '2026-03-09T06:30Z'],
  ],
  [
    'a time that comes twice in autumn fires once that day, the first time',
    { frequency: 'daily', time: '01:30', timezone: NEW_YORK },
    '2026-10-31T00:00:00Z',
    '2026-11-03T00:00:00Z',
    ['2026-10-31T05:30Z', '2026-11-01T05:30Z', '2026-11-02T06:30Z'],
  ],
  [
    'the hour that comes twice in autumn has one tick of an hourly schedule, the first',
    { frequency: 'hourly', timezone: NEW_YORK },
    '2026-11-01T03:30:00Z',
    '2026-11-01T08:30:00Z',
    ['2026-11-01T04:00Z', '2026-11-01T05:00Z', '2026-11-01T07:00Z', '2026-11-01T08:00Z'],
  ],
  [
    'the hour that the spring leaves out has no tick of an hourly schedule',
    { frequency: 'hourly', timezone: NEW_YORK },
    '2026-03-08T05:30:00Z',
    '2026-03-08T09:30:00Z',
    ['2026-03-08T06:00Z', '2026-03-08T07:00Z', '2026-03-08T08:00Z', '2026-03-08T09:00Z'],
  ],
  [
    'the 29th of February comes in leap years',
    custom('0 6 29 2 *'),
    '2026-01-01T00:00:00Z',
    '2033-01-01T00:00:00Z',
    ['2028-02-29T06:00Z', '2032-02-29T06:00Z'],
  ],
  [
    'the 31st comes in months that have it',
    { frequency: 'monthly', day_of_month: 31, time: '12:00' },
    '2026-01-01T00:00:00Z',
    '2026-12-31T23:00:00Z',
    ['01', '03', '05', '07', '08', '10', '12'].map((month) => `2026-${month}-31T12:00Z`),
  ],
  [
    'the 30th comes in all months but February',
    { frequency: 'monthly', day_of_month: 30, time: '23:59' },
    '2027-01-01T00:00:00Z',
    '2027-04-30T23:59:30Z',
    ['2027-01-30T23:59Z', '2027-03-30T23:59Z', '2027-04-30T23:59Z'],
  ],
  [
    'midnight goes with the zone through both changes of its clocks',
    { frequency: 'weekly', day_of_week: 0, time: '00:00', timezone: 'Europe/Berlin' },
    '2026-03-21T00:00:00Z',
    '2026-04-06T00:00:00Z',
    ['2026-03-21T23:00Z', '2026-03-28T23:00Z', '2026-04-04T22:00Z'],
  ],
  [
    'a zone half an hour off',
    { frequency: 'daily', time: '09:15', timezone: 'Asia/Kolkata' },
    '2026-06-01T00:00:00Z',
    '2026-06-02T12:00:00Z',
    ['2026-06-01T03:45Z', '2026-06-02T03:45Z'],
  ],
];

describeWithPrefect('when Prefect plans our schedules', () => {
  let prefect: TestGateway;

  beforeAll(async () => {
    prefect = await startGateway((await realPrefect()).apiUrl);
  }, 180_000);
  afterAll(() => prefect.close());

  const deployed = async (timetable: Timetable) => (await prefect.deployed({ timetable })).deployment.id;

  const plan = (id: string, start_time: string, end_time: string) =>
    prefect.call('POST', `/deployments/${id}/schedule`, { start_time, end_time, min_runs: 50, max_runs: 50 });

  it.each(GOLDEN)('%s', async (_, input, from, to, golden) => {
    const timetable = timetableOf(scheduleSpec(input))!;
    const id = await deployed(timetable);
    expect((await plan(id, from, to)).status).toBe(200);
    const ticks = await prefect.gateway.ticks(id, new Date(from), new Date(to));
    const told = ticks.map((at) => at.toISOString().replace(':00.000Z', 'Z'));
    expect(told).toHaveLength(golden.length);
    golden.forEach((expected, index) => expect([expected].flat()).toContain(told[index]));
    // Whatever our own sum says of these days, no tick is missed because it says otherwise.
    const ours = fireTimes(timetable, new Date(from), new Date(to), 100);
    expect(ours.filter((tick) => !accountedFor(tick, ticks, timetable.timezone))).toEqual([]);
  });

  it('the next run is the earliest that Prefect itself has planned', async () => {
    const id = await deployed({ cron: '30 2 * * *', timezone: NEW_YORK });
    let next: Date | undefined;
    await until(async () => (next = (await prefect.gateway.nextRunTimes([id])).get(id)) !== undefined, 30_000);
    const [first] = await prefect.gateway.ticks(id, new Date(), new Date(Date.now() + 7 * 86_400_000));
    expect(next).toEqual(first);
  }, 60_000);
});
