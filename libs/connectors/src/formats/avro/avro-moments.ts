import type { CopyWriter } from '../../copy/copy-writer';
import type { Form } from './avro-form';

/** Microseconds from 1970-01-01 (Avro's epoch) to 2000-01-01 (PostgreSQL's). */
const EPOCH_MICROS = 946_684_800_000_000n;
const EPOCH_DAYS = 10957;
/** What PostgreSQL takes: dates from 4713 BC to 5874897, moments to 294276. Source: PostgreSQL, src/include/datatype/timestamp.h. */
const DAYS = { first: -2_451_507, end: 2_145_031_949 } as const;
const MICROS = { first: -211_813_488_000_000_000n, end: 9_223_371_331_200_000_000n } as const;
const MICROS_PER_DAY = 86_400_000_000;
/** JavaScript's dates end here, in milliseconds on either side of 1970. */
const LAST_MILLIS = 8_640_000_000_000_000n;

type Unit = 'millis' | 'micros' | 'nanos';
const PER_SECOND = { millis: 1000n, micros: 1_000_000n, nanos: 1_000_000_000n } as const;
const DIGITS = { millis: 3, micros: 6, nanos: 9 } as const;

/** Days since 1970. */
export const DATE: Form<number> = {
  type: 'date',
  read: (tap) => tap.int(),
  text: (days) => dateText(BigInt(days)) ?? `day ${days}`,
  json: (days) => JSON.stringify(DATE.text(days)),
  flaw: () => null,
  puts: { date: putDate },
};

/** Since midnight. */
export function timeForm(unit: 'millis' | 'micros'): Form<number | bigint> {
  const text = (value: number | bigint) => clock(BigInt(value), unit);
  return {
    type: 'time without time zone',
    read: (tap) => (unit === 'millis' ? tap.int() : tap.long()),
    text,
    json: (value) => JSON.stringify(text(value)),
    flaw: () => null,
    puts: { 'time without time zone': (out, value) => putTime(out, unit === 'millis' ? Number(value) * 1000 : value) },
  };
}

/** Since 1970, in UTC; `local`: on whatever clock the writer meant. */
export function timestampForm(unit: Unit, local: boolean): Form<number | bigint> {
  const type = local ? 'timestamp without time zone' : 'timestamp with time zone';
  const text = (value: number | bigint) => momentText(BigInt(value), unit, local);
  return {
    type,
    read: (tap) => tap.long(),
    text,
    json: (value) => JSON.stringify(text(value)),
    flaw: () => null,
    puts: { [type]: (out: CopyWriter, value: number | bigint) => putMoment(out, BigInt(value), unit) },
  };
}

/** Months, days and milliseconds, as ISO 8601 writes it. PostgreSQL's interval would take days and months apart in the same way. */
export const DURATION: Form<Buffer> = {
  type: 'text',
  read: (tap) => tap.fixed(12),
  text: (value) => {
    const [months, days, millis] = [0, 4, 8].map((at) => value.readUInt32LE(at));
    return `P${months}M${days}DT${(millis ?? 0) / 1000}S`;
  },
  json: (value) => JSON.stringify(DURATION.text(value)),
  flaw: () => null,
  puts: {},
};

function putDate(out: CopyWriter, days: number): boolean {
  const since2000 = days - EPOCH_DAYS;
  if (since2000 < DAYS.first || since2000 >= DAYS.end) return false;
  out.int32(since2000);
  return true;
}

function putTime(out: CopyWriter, micros: number | bigint): boolean {
  if (typeof micros === 'bigint' || micros < 0 || micros > MICROS_PER_DAY) return false;
  out.int64(micros);
  return true;
}

function putMoment(out: CopyWriter, value: bigint, unit: Unit): boolean {
  if (unit === 'nanos' && value % 1000n !== 0n) return false;
  const micros = (unit === 'millis' ? value * 1000n : unit === 'nanos' ? value / 1000n : value) - EPOCH_MICROS;
  if (micros < MICROS.first || micros >= MICROS.end) return false;
  out.bigint(micros);
  return true;
}

/** `null`: JavaScript does not know the day. */
function dateText(days: bigint): string | null {
  const millis = days * 86_400_000n;
  if (millis > LAST_MILLIS || millis < -LAST_MILLIS) return null;
  return new Date(Number(millis)).toISOString().slice(0, -14);
}

function momentText(value: bigint, unit: Unit, local: boolean): string {
  const perDay = PER_SECOND[unit] * 86_400n;
  const ofDay = ((value % perDay) + perDay) % perDay;
  const day = dateText((value - ofDay) / perDay);
  return day === null ? `${value} ${unit} since 1970` : `${day} ${clock(ofDay, unit)}${local ? '' : '+00'}`;
}

function clock(value: bigint, unit: Unit): string {
  if (value < 0n) return `${value} ${unit}`;
  const seconds = value / PER_SECOND[unit];
  const two = (n: bigint) => String(n).padStart(2, '0');
  const whole = `${two(seconds / 3600n)}:${two((seconds / 60n) % 60n)}:${two(seconds % 60n)}`;
  const rest = String(value % PER_SECOND[unit])
    .padStart(DIGITS[unit], '0')
    .replace(/0+$/, '');
  return rest === '' ? whole : `${whole}.${rest}`;
}
