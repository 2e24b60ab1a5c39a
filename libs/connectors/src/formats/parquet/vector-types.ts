import { encoderOf } from '../../copy/column-encoder';
import type { TextEncoder } from '../../copy/text-values';
import type { ColumnType, LoadColumn } from '../../column';
import { decimalColumn, isDirectDecimal } from './decimals';
import { FixedColumn, type Put, TextColumn, type VectorColumn } from './vector-columns';

/** Microseconds from 1970-01-01 (DuckDB's epoch) to 2000-01-01 (PostgreSQL's), in halves. */
const EPOCH_MICROS = 946_684_800_000_000;
const EPOCH_HIGH = Math.floor(EPOCH_MICROS / 4294967296);
const EPOCH_LOW = EPOCH_MICROS - EPOCH_HIGH * 4294967296;
const EPOCH_DAYS = 10957;

const raw: TextEncoder = (out, text, start, end) => {
  out.raw(text, start, end);
  return true;
};

const int64: Put = (view, row, out) => out.int64Halves(view.getInt32(row * 8 + 4, true), view.getUint32(row * 8, true));

const timestamp: Put = (view, row, out) => {
  const low = view.getUint32(row * 8, true) - EPOCH_LOW;
  out.int64Halves(view.getInt32(row * 8 + 4, true) - EPOCH_HIGH - (low < 0 ? 1 : 0), low >>> 0);
};

/** DuckDB keeps a UUID as a signed number with the first bit turned, so that its order is that of the text. */
const uuid: Put = (view, row, out) => {
  out.reserve(20);
  out.view.setInt32(out.position, 16);
  out.view.setBigInt64(out.position + 4, view.getBigInt64(row * 16 + 8, true) ^ FIRST_BIT);
  out.view.setBigInt64(out.position + 12, view.getBigInt64(row * 16, true));
  out.position += 20;
};
const FIRST_BIT = -(2n ** 63n);

interface VectorType {
  /** What the value is cast to in DuckDB before it is written. */
  duckDbType: string;
  column: () => VectorColumn;
}

const FIXED = {
  boolean: fixed('BOOLEAN', 1, (view, row, out) => out.boolean(view.getUint8(row) !== 0)),
  smallint: fixed('SMALLINT', 2, (view, row, out) => out.int16(view.getInt16(row * 2, true))),
  integer: fixed('INTEGER', 4, (view, row, out) => out.int32(view.getInt32(row * 4, true))),
  bigint: fixed('BIGINT', 8, int64),
  real: fixed('FLOAT', 4, (view, row, out) => out.float32(view.getFloat32(row * 4, true))),
  'double precision': fixed('DOUBLE', 8, (view, row, out) => out.float64(view.getFloat64(row * 8, true))),
  date: fixed('DATE', 4, (view, row, out) => out.int32(view.getInt32(row * 4, true) - EPOCH_DAYS)),
  'timestamp without time zone': fixed('TIMESTAMP', 8, timestamp),
  'timestamp with time zone': fixed('TIMESTAMP WITH TIME ZONE', 8, timestamp),
  'time without time zone': fixed('TIME', 8, int64),
  uuid: fixed('UUID', 16, uuid),
  bytea: { duckDbType: 'BLOB', column: () => new TextColumn(raw) },
} as const satisfies Partial<Record<ColumnType, VectorType>>;

function fixed(duckDbType: string, width: number, put: Put): VectorType {
  return { duckDbType, column: () => new FixedColumn(width, put) };
}

/** How values of DuckDB's type `source` are taken from it and written. */
export function vectorTypeOf(source: string, target: LoadColumn): VectorType {
  if (isDirectDecimal(source, target)) return { duckDbType: source, column: () => decimalColumn(source) };
  // A text is no UUID for DuckDB alone to decide: it takes spellings that PostgreSQL's text would not keep.
  const asText = target.type === 'uuid' && source !== 'UUID';
  const direct = asText ? undefined : (FIXED as Partial<Record<ColumnType, VectorType>>)[target.type];
  return direct ?? { duckDbType: 'VARCHAR', column: () => new TextColumn(encoderOf(target)) };
}
