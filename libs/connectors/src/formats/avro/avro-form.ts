import { isUtf8 } from 'node:buffer';
import { encoderOf } from '../../copy/column-encoder';
import type { CopyWriter } from '../../copy/copy-writer';
import type { ColumnType, LoadColumn } from '../../column';
import type { AvroTap } from './avro-tap';

/** Why JSON does not hold a value as it is. */
export interface Flaw {
  /** A clause: `holds a NUL character, which PostgreSQL cannot store`. */
  problem: string;
  /** What the JSON says instead may be kept for a person to look at (`"NaN"` for NaN). */
  keepable: boolean;
}

/** Writes a value, or returns false and writes nothing. */
export type Put<V> = (out: CopyWriter, value: V) => boolean;

/** How the values of one Avro type are read and written. `null` is never given to it, and only read by types that have it. */
export interface Form<V> {
  /** The PostgreSQL type that holds every value. */
  readonly type: ColumnType;
  read(tap: AvroTap): V | null;
  /** As PostgreSQL would read it. */
  text(value: V): string;
  /** Always valid JSON. */
  json(value: V): string;
  flaw(value: V): Flaw | null;
  /** Ways into columns that do not lead over the text. */
  readonly puts: Partial<Record<ColumnType, Put<V>>>;
}

/** A form whose values are only known to itself. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- each form gets back only what it read itself.
export type AnyForm = Form<any>;

const NUL: Flaw = { problem: 'holds a NUL character, which PostgreSQL cannot store', keepable: false };
const NO_UTF8: Flaw = { problem: 'is not valid UTF-8', keepable: false };

/** What is wrong with the bytes of a string. */
export function textFlaw(bytes: Uint8Array): Flaw | null {
  if (!isUtf8(bytes)) return NO_UTF8;
  return bytes.includes(0) ? NUL : null;
}

/** How values of a form get into a column. */
export function putInto<V>(form: Form<V>, column: LoadColumn): Put<V> {
  const direct = column.modifier === undefined ? form.puts[column.type] : undefined;
  if (direct !== undefined) return direct;
  const encode = encoderOf(column);
  const bytes = column.type === 'json' || column.type === 'jsonb' ? asJson(form) : asText(form);
  return (out, value) => {
    const text = bytes(value);
    return text !== null && text.length > 0 && encode(out, text, 0, text.length);
  };
}

function asJson<V>(form: Form<V>): (value: V) => Buffer | null {
  return (value) => (form.flaw(value) === null ? Buffer.from(form.json(value)) : null);
}

function asText<V>(form: Form<V>): (value: V) => Buffer | null {
  return (value) => {
    const text = Buffer.from(form.text(value));
    // The text of broken UTF-8 is another one.
    return text.includes(0) || form.flaw(value) === NO_UTF8 ? null : text;
  };
}
