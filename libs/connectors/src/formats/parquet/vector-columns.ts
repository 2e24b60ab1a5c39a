import duckdb from '@duckdb/node-bindings';
import type { CopyWriter } from '../../copy/copy-writer';
import { encoderOf } from '../../copy/column-encoder';
import type { TextEncoder } from '../../copy/text-values';
import type { ColumnType, LoadColumn } from '../../column';
import { addressAt, INLINE_BYTES, StringHeap } from './string-heap';

/** Microseconds from 1970-01-01 (DuckDB's epoch) to 2000-01-01 (PostgreSQL's), in halves. */
const EPOCH_MICROS = 946_684_800_000_000;
const EPOCH_HIGH = Math.floor(EPOCH_MICROS / 4294967296);
const EPOCH_LOW = EPOCH_MICROS - EPOCH_HIGH * 4294967296;
const EPOCH_DAYS = 10957;

/** Writes values of one column from DuckDB's memory into the COPY buffer. */
abstract class VectorColumn {
  private validity: Uint8Array | null = null;

  /** Copies the next vector out of DuckDB's memory. */
  take(vector: duckdb.Vector, rows: number): void {
    this.validity = duckdb.vector_get_validity(vector, Math.ceil(rows / 64) * 8);
    this.attach(duckdb.vector_get_data(vector, rows * this.width), rows);
  }

  /** False: the value cannot be written unchanged, and nothing was. */
  write(row: number, out: CopyWriter): boolean {
    if (!this.isNull(row)) return this.put(row, out);
    out.nothing();
    return true;
  }

  protected isNull(row: number): boolean {
    const { validity } = this;
    return validity !== null && ((validity[row >> 3] as number) & (1 << (row & 7))) === 0;
  }

  protected abstract readonly width: number;
  protected abstract attach(data: Uint8Array, rows: number): void;
  protected abstract put(row: number, out: CopyWriter): boolean;
}

type Put = (view: DataView, row: number, out: CopyWriter) => void;

class FixedColumn extends VectorColumn {
  private view: DataView = new DataView(new ArrayBuffer(0));

  constructor(
    protected readonly width: number,
    private readonly putValue: Put,
  ) {
    super();
  }

  protected attach(data: Uint8Array): void {
    this.view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  }

  protected put(row: number, out: CopyWriter): boolean {
    this.putValue(this.view, row, out);
    return true;
  }
}

/** DuckDB's strings: 16 bytes with the length and either up to 12 bytes of text or a pointer to it. */
class TextColumn extends VectorColumn {
  protected readonly width = 16;
  private data: Uint8Array = new Uint8Array(0);
  private view: DataView = new DataView(new ArrayBuffer(0));
  private readonly heap = new StringHeap();

  constructor(private readonly encode: TextEncoder) {
    super();
  }

  protected attach(data: Uint8Array, rows: number): void {
    this.data = data;
    this.view = new DataView(data.buffer, data.byteOffset, data.byteLength);
    this.heap.fetch(this.view, rows, (row) => this.isNull(row));
  }

  protected put(row: number, out: CopyWriter): boolean {
    const length = this.view.getUint32(row * 16, true);
    if (length <= INLINE_BYTES) return this.encode(out, this.data, row * 16 + 4, row * 16 + 4 + length);
    const address = addressAt(this.view, row);
    const { bytes, from } = this.heap.blockOf(address);
    return this.encode(out, bytes, address - from, address - from + length);
  }
}

const raw: TextEncoder = (out, text, start, end) => {
  out.raw(text, start, end);
  return true;
};

const int64: Put = (view, row, out) => out.int64Halves(view.getInt32(row * 8 + 4, true), view.getUint32(row * 8, true));

const timestamp: Put = (view, row, out) => {
  const low = view.getUint32(row * 8, true) - EPOCH_LOW;
  out.int64Halves(view.getInt32(row * 8 + 4, true) - EPOCH_HIGH - (low < 0 ? 1 : 0), low >>> 0);
};

interface VectorType {
  duckDbType: string;
  column: (target: LoadColumn) => VectorColumn;
}

const TEXTS: VectorType = { duckDbType: 'VARCHAR', column: (target) => new TextColumn(encoderOf(target)) };

/** The DuckDB type a value is cast to before it is written, and how it is written then. */
export const VECTOR_TYPES: Record<ColumnType, VectorType> = {
  boolean: fixed('BOOLEAN', 1, (view, row, out) => out.boolean(view.getUint8(row) !== 0)),
  smallint: fixed('SMALLINT', 2, (view, row, out) => out.int16(view.getInt16(row * 2, true))),
  integer: fixed('INTEGER', 4, (view, row, out) => out.int32(view.getInt32(row * 4, true))),
  bigint: fixed('BIGINT', 8, int64),
  real: fixed('FLOAT', 4, (view, row, out) => out.float32(view.getFloat32(row * 4, true))),
  'double precision': fixed('DOUBLE', 8, (view, row, out) => out.float64(view.getFloat64(row * 8, true))),
  date: fixed('DATE', 4, (view, row, out) => out.int32(view.getInt32(row * 4, true) - EPOCH_DAYS)),
  'timestamp without time zone': fixed('TIMESTAMP', 8, timestamp),
  'timestamp with time zone': fixed('TIMESTAMPTZ', 8, timestamp),
  'time without time zone': fixed('TIME', 8, int64),
  numeric: TEXTS,
  uuid: TEXTS,
  jsonb: TEXTS,
  json: TEXTS,
  text: TEXTS,
  'character varying': TEXTS,
  character: TEXTS,
  bytea: { duckDbType: 'BLOB', column: () => new TextColumn(raw) },
};

function fixed(duckDbType: string, width: number, put: Put): VectorType {
  return { duckDbType, column: () => new FixedColumn(width, put) };
}

export type { VectorColumn };
