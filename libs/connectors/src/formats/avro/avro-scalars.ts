import type { CopyWriter } from '../../copy/copy-writer';
import { writeNumeric } from '../../copy/numeric';
import { decimalText, writeDecimal } from '../decimal';
import { type Flaw, type Form, type Put, textFlaw } from './avro-form';
import { BeyondLimit } from './avro-faults';
import type { Logical } from './avro-types';

export const NULL: Form<null> = {
  type: 'text',
  read: () => null,
  text: () => '',
  json: () => 'null',
  flaw: () => null,
  puts: {},
};

export const BOOLEAN: Form<boolean> = {
  type: 'boolean',
  read: (tap) => tap.boolean(),
  text: String,
  json: String,
  flaw: () => null,
  puts: { boolean: written((out, value) => out.boolean(value)) },
};

export const INT: Form<number> = {
  type: 'integer',
  read: (tap) => tap.int(),
  text: String,
  json: String,
  flaw: () => null,
  puts: {
    integer: written((out, value) => out.int32(value)),
    bigint: written((out, value) => out.int64(value)),
    'double precision': written((out, value) => out.float64(value)),
    real: putReal,
  },
};

export const LONG: Form<number | bigint> = {
  type: 'bigint',
  read: (tap) => tap.long(),
  text: String,
  json: String,
  flaw: () => null,
  puts: {
    bigint: written(putLong),
    'double precision': putExactDouble,
    real: (out, v) => typeof v === 'number' && putReal(out, v),
  },
};

export const FLOAT: Form<number> = {
  type: 'real',
  read: (tap) => tap.float(),
  text: floatText,
  json: (value) => (Number.isFinite(value) ? floatText(value) : JSON.stringify(floatText(value))),
  flaw: notFinite,
  puts: { real: written((out, v) => out.float32(v)), 'double precision': written((out, v) => out.float64(v)) },
};

export const DOUBLE: Form<number> = {
  type: 'double precision',
  read: (tap) => tap.double(),
  text: numberText,
  json: (value) => (Number.isFinite(value) ? numberText(value) : JSON.stringify(numberText(value))),
  flaw: notFinite,
  puts: { real: putReal, 'double precision': written((out, v) => out.float64(v)) },
};

export const STRING: Form<Buffer> = {
  type: 'text',
  read: (tap) => tap.sized(),
  text: (value) => value.toString(),
  json: (value) => JSON.stringify(value.toString()),
  flaw: textFlaw,
  puts: {
    text: putText,
    // A text is taken as the JSON that it holds, as PostgreSQL's own cast does.
    json: putText,
    jsonb: (out, value) => {
      if (textFlaw(value) !== null) return false;
      out.jsonb(value, 0, value.length);
      return true;
    },
  },
};

export const UUID_TEXT: Form<Buffer> = { ...STRING, type: 'uuid', puts: { text: putText, uuid: putUuid } };

export const UUID_BYTES: Form<Buffer> = {
  type: 'uuid',
  read: (tap) => tap.fixed(16),
  text: (value) => value.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'),
  json: (value) => JSON.stringify(UUID_BYTES.text(value)),
  flaw: () => null,
  puts: { uuid: written((out, value) => out.raw(value, 0, 16)) },
};

const BYTES: Omit<Form<Buffer>, 'read'> = {
  type: 'bytea',
  text: (value) => `\\x${value.toString('hex')}`,
  json: (value) => JSON.stringify(BYTES.text(value)),
  flaw: () => null,
  puts: { bytea: written((out, value) => out.raw(value, 0, value.length)) },
};

export const SIZED_BYTES: Form<Buffer> = { ...BYTES, read: (tap) => tap.sized() };

export function fixedForm(size: number): Form<Buffer> {
  return { ...BYTES, read: (tap) => tap.fixed(size) };
}

export function enumForm(symbols: readonly string[]): Form<string> {
  return {
    type: 'text',
    read: (tap) => symbols[tap.index(symbols.length)] ?? '',
    text: (value) => value,
    json: (value) => JSON.stringify(value),
    flaw: () => null,
    puts: {},
  };
}

/** PostgreSQL keeps up to 131,072 digits before the point. */
const MOST_DECIMAL_BYTES = 50_000;

/** `size`: of a fixed one. */
export function decimalForm({ scale }: Logical, size: number | null): Form<bigint> {
  const text = (value: bigint) => decimalText(value, scale);
  return {
    type: 'numeric',
    read: (tap) => unscaled(size === null ? tap.sized() : tap.fixed(size)),
    text,
    json: text,
    flaw: () => null,
    puts: { numeric: (out, value) => putDecimal(out, value, scale) },
  };
}

/** Two's complement, the highest byte first. */
function unscaled(bytes: Buffer): bigint {
  if (bytes.length > MOST_DECIMAL_BYTES) throw new BeyondLimit('a decimal has more digits than PostgreSQL keeps');
  return bytes.length === 0 ? 0n : BigInt.asIntN(bytes.length * 8, BigInt(`0x${bytes.toString('hex')}`));
}

function putDecimal(out: CopyWriter, value: bigint, scale: number): boolean {
  const short = Number(value);
  if (Number.isSafeInteger(short) && scale <= 18) {
    writeDecimal(out, short, scale);
    return true;
  }
  const text = Buffer.from(decimalText(value, scale));
  return writeNumeric(out, text, 0, text.length);
}

function written<V>(put: (out: CopyWriter, value: V) => void): Put<V> {
  return (out, value) => {
    put(out, value);
    return true;
  };
}

function putLong(out: CopyWriter, value: number | bigint): void {
  if (typeof value === 'number') out.int64(value);
  else out.bigint(value);
}

function putExactDouble(out: CopyWriter, value: number | bigint): boolean {
  const double = Number(value);
  if (BigInt(double) !== BigInt(value)) return false;
  out.float64(double);
  return true;
}

function putReal(out: CopyWriter, value: number): boolean {
  if (!Object.is(Math.fround(value), value)) return false;
  out.float32(value);
  return true;
}

function putText(out: CopyWriter, value: Buffer): boolean {
  if (textFlaw(value) !== null) return false;
  out.raw(value, 0, value.length);
  return true;
}

function putUuid(out: CopyWriter, value: Buffer): boolean {
  const word = value.toString('latin1');
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(word)) return false;
  out.raw(Buffer.from(word.replaceAll('-', ''), 'hex'), 0, 16);
  return true;
}

/** Like the number but for `-0`, which JavaScript writes as `0`. */
function numberText(value: number): string {
  return Object.is(value, -0) ? '-0' : String(value);
}

/** The shortest number that gives the same float: 0.1 and not 0.10000000149011612. */
function floatText(value: number): string {
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return numberText(short);
  }
  return numberText(Number.isFinite(value) ? Number(value.toPrecision(9)) : value);
}

function notFinite(value: number): Flaw | null {
  return Number.isFinite(value) ? null : { problem: 'is no number that JSON can hold', keepable: true };
}
