import fc from 'fast-check';
import { type Moment, readMoment } from './moment';

const moment: Moment = { days: 0, seconds: 0, micros: 0, zoned: false, hasTime: false };
const EPOCH_2000 = Date.UTC(2000, 0, 1);

function read(text: string): boolean {
  // What stands around a value must never be read with it.
  const around = Buffer.from(`9${text}9`);
  return readMoment(around, 1, around.length - 1, moment);
}

function millis(): number {
  return EPOCH_2000 + (moment.days * 86400 + moment.seconds) * 1000 + moment.micros / 1000;
}

describe('an ISO 8601 text', () => {
  const dates = fc.date({
    min: new Date('0001-01-01T00:00:00Z'),
    max: new Date('9999-12-31T23:59:59.999Z'),
    noInvalidDate: true,
  });

  it('is the moment that JavaScript reads', () => {
    fc.assert(
      fc.property(dates, (date) => {
        expect(read(date.toISOString())).toBe(true);
        expect([millis(), moment.zoned]).toEqual([date.getTime(), true]);
      }),
    );
  });

  it('with an offset is the same moment', () => {
    fc.assert(
      fc.property(
        dates,
        fc.integer({ min: -14 * 60, max: 14 * 60 }),
        fc.constantFrom(':', ''),
        (date, offset, colon) => {
          const two = (n: number) => String(n).padStart(2, '0');
          const size = Math.abs(offset);
          const zone = `${offset < 0 ? '-' : '+'}${two(Math.floor(size / 60))}${colon}${two(size % 60)}`;
          const local = new Date(date.getTime() + offset * 60_000);
          fc.pre(local.getUTCFullYear() >= 1 && local.getUTCFullYear() <= 9999);
          expect(read(local.toISOString().replace('Z', zone))).toBe(true);
          expect(millis()).toBe(date.getTime());
        },
      ),
    );
  });

  it.each([
    '2024-01-01',
    '2024-02-29',
    '2000-02-29',
    '2024-01-01T10:00',
    '2024-01-01 10:00:00.1',
    '2024-01-01 10:00+02',
    '2024-01-01 10:00:00-0330',
  ])('%s is read', (text) => {
    expect(read(text)).toBe(true);
  });

  it.each([
    '',
    '2024',
    '2024-1-1',
    '2024-00-01',
    '2024-01-00',
    '2024-01-32',
    '2023-02-29',
    '1900-02-29',
    '2024-04-31',
    '2024-01-01T',
    '2024-01-01T1',
    '2024-01-01 1:00',
    '2024-01-01 25:00',
    '2024-01-01 10:60',
    '2024-01-01 10:00:60',
    '2024-01-01 10:00:00.',
    '2024-01-01 10:00:00.1234567',
    '2024-01-01 10:00:00 Z',
    '2024-01-01 10:00:00z',
    '2024-01-01 10:00:00+1',
    '2024-01-01 10:00:00+16:00',
    '2024-01-01 10:00:00+01:60',
    '2024-01-01 10:00:00+01:0',
    '2024-01-01Z',
    '2024-01-01x10:00',
    ' 2024-01-01',
    '2024-01-01 ',
    '20240101',
    '2024-01-01 10:00:0',
  ])('%j is refused', (text) => {
    expect(read(text)).toBe(false);
  });
});
