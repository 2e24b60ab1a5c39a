import duckdb from '@duckdb/node-bindings';
import type { DuckDBDataChunk } from '@duckdb/node-api';
import type { CopyWriter } from '../../copy/copy-writer';
import type { RowTail } from '../../copy/row-tail';
import { TEXT_ENCODERS } from '../../copy/text-values';
import type { Refusal } from '../format-reader';
import type { Pair } from './parquet-column';
import { jsonOfText } from './parquet-columns';
import { TextColumn, type VectorColumn } from './vector-columns';
import { vectorTypeOf } from './vector-types';

/** A row left out. */
export interface BadRow {
  /** From 1. */
  record: number;
  /** The column with a value that cannot be written; `null`: the query flagged the row and knows why, or the server refused it. */
  column: number | null;
  refusal: Refusal | null;
}

export interface EncoderOptions {
  pairs: readonly Pair[];
  /** Values that do not fit go into `_rescued`, but for those of required columns. */
  rescues: boolean;
  refused: ReadonlyMap<number, Refusal>;
}

const ROOM = { bytes: 256 * 1024, bad: 512 } as const;

/** Turns DuckDB's chunks, as `rowsQuery` asks for them, into COPY tuples. */
export class ChunkEncoder {
  /** Rows left out since `takeBad`. */
  private bad: BadRow[] = [];
  /** Records passed. */
  record = 0;
  private left = 0;
  private row = 0;
  private flags: Uint8Array = new Uint8Array(0);
  private readonly readers: readonly VectorColumn[];
  /** The members of `_rescued` that the query found. */
  private readonly rescued = new TextColumn(TEXT_ENCODERS.text);

  constructor(
    private readonly options: EncoderOptions,
    private readonly out: CopyWriter,
    private readonly tail: RowTail,
  ) {
    this.readers = options.pairs.map(({ source, target }) => vectorTypeOf(source.type, target).column());
  }

  /** Copies the next chunk's vectors. */
  take({ chunk, rowCount }: DuckDBDataChunk): void {
    const readers = [...this.readers, this.rescued];
    readers.forEach((reader, index) => reader.take(duckdb.data_chunk_get_vector(chunk, index), rowCount));
    this.flags = duckdb.vector_get_data(duckdb.data_chunk_get_vector(chunk, readers.length), rowCount);
    this.row = 0;
    this.left = rowCount;
  }

  takeBad(): BadRow[] {
    const { bad } = this;
    this.bad = [];
    return bad;
  }

  /** Writes rows until the chunk is done (false) or there is enough to be sent or told (true). `until`: rows written in all. */
  encodeSome(until: number): boolean {
    const { out } = this;
    for (; this.left > 0 && out.position < ROOM.bytes && this.bad.length < ROOM.bad; this.left--, this.row++) {
      if (out.rows >= until) return true;
      this.record++;
      this.encodeRow();
    }
    return this.left > 0 || out.position >= ROOM.bytes || this.bad.length >= ROOM.bad;
  }

  private encodeRow(): void {
    const { out, row, record } = this;
    const refusal = this.options.refused.size === 0 ? null : (this.options.refused.get(record) ?? null);
    if (this.flags[row] === 1 || refusal !== null) {
      this.bad.push({ record, column: null, refusal });
      return;
    }
    out.beginRow(this.readers.length + this.tail.fields);
    const column = this.encodeValues();
    if (column === null) {
      this.tail.write(out, record);
      out.endRow();
      return;
    }
    out.dropRow();
    this.tail.clear();
    this.bad.push({ record, column, refusal: null });
  }

  /** Returns the column whose value cannot be written. */
  private encodeValues(): number | null {
    const { readers, out, row } = this;
    for (let index = 0; index < readers.length; index++) {
      const reader = readers[index] as VectorColumn;
      if (!reader.write(row, out) && !this.rescue(index, reader)) return index;
    }
    if (!this.rescued.isNull(row)) this.tail.rescueMembers(this.rescued.text(row));
    return null;
  }

  private rescue(index: number, reader: VectorColumn): boolean {
    const { source, target } = this.options.pairs[index] as Pair;
    if (!this.options.rescues || target.required === true) return false;
    this.tail.rescue(source.source, jsonOfText(source, reader.text(this.row)));
    this.out.nothing();
    return true;
  }
}
