import { setImmediate } from 'node:timers/promises';
import duckdb from '@duckdb/node-bindings';
import type { DuckDBConnection, DuckDBDataChunk } from '@duckdb/node-api';
import { CopyWriter, loadIdBytes } from '../../copy/copy-writer';
import type { LoadColumn } from '../../column';
import type { DuckDb } from '../../duckdb';
import { BadFile, UnknownColumns } from '../../errors';
import {
  type FileInput,
  FormatReader,
  type Inference,
  type OpenedFile,
  type ReadPlan,
  type Sink,
} from '../format-reader';
import { ChunkReclaimer } from './chunk-reclaimer';
import { expressions, type ParquetColumn, postgresTypeOf, quoted, tableOf } from './parquet-columns';
import { VECTOR_TYPES, type VectorColumn } from './vector-columns';

/** Bytes collected before they are sent. */
const SEND_BYTES = 1024 * 1024;

/** Parquet, read by DuckDB into column vectors which are encoded without becoming JavaScript values. */
export class ParquetReader extends FormatReader {
  constructor(private readonly duckDb: DuckDb) {
    super();
  }

  override async infer(files: readonly FileInput[]): Promise<Inference> {
    const connection = await this.duckDb.connect();
    const columns = new Map<string, ParquetColumn[]>();
    for (const file of files) {
      // What is wrong with a file is told by its load.
      for (const column of await describe(connection, file).catch(() => []))
        columns.set(column.name, [...(columns.get(column.name) ?? []), column]);
    }
    const inferred = [...columns].map(([source, kinds]) => ({ source, type: commonType(kinds) }));
    return { columns: inferred, dialect: null };
  }

  override async open(file: FileInput, plan: ReadPlan): Promise<OpenedFile> {
    const connection = await this.duckDb.connect();
    const found = await describe(connection, file);
    const known = new Map(plan.columns.map((column) => [column.source, column]));
    const unknown = found.filter(({ name }) => !known.has(name)).map(({ name }) => name);
    if (unknown.length === found.length && known.size > 0) throw nothingInCommon(file, found, plan);
    if (unknown.length > 0 && plan.unknown === 'report') throw new UnknownColumns(unknown);
    const pairs = found.flatMap((source) => {
      const target = known.get(source.name);
      return target === undefined ? [] : [{ source, target }];
    });
    return new OpenedParquet(connection, file, pairs);
  }
}

/** Files that disagree about a column get the widest of a few safe types. */
function commonType(kinds: readonly ParquetColumn[]): LoadColumn['type'] {
  const types = [...new Set(kinds.map(({ type }) => postgresTypeOf(type)))];
  if (types.length === 1) return types[0] ?? 'text';
  const whole = ['smallint', 'integer', 'bigint'] as const;
  const widest = whole.findLast((type) => types.includes(type));
  if (widest !== undefined && types.every((type) => (whole as readonly string[]).includes(type))) return widest;
  if (types.every((type) => type === 'real' || type === 'double precision')) return 'double precision';
  return types.every((type) => [...whole, 'numeric'].includes(type)) ? 'numeric' : 'text';
}

async function describe(connection: DuckDBConnection, file: FileInput): Promise<ParquetColumn[]> {
  try {
    const result = await connection.runAndReadAll(`DESCRIBE SELECT * FROM ${tableOf(await file.localPath())}`);
    return result.getRows().map(([name, type]) => ({ name: String(name), type: String(type) }));
  } catch (error) {
    throw unreadable(file, error);
  }
}

function unreadable(file: FileInput, error: unknown): BadFile {
  const reason = (error as Error).message.split('\n')[0] ?? '';
  return new BadFile(
    'malformed',
    `${file.path} cannot be read as Parquet: ${reason.replaceAll(/'[^']*\//g, "'")}`,
    {},
    { cause: error },
  );
}

function nothingInCommon(file: FileInput, found: readonly ParquetColumn[], plan: ReadPlan): BadFile {
  const expected = plan.columns.map(({ source }) => source).join(', ');
  return new BadFile(
    'schema_mismatch',
    `${file.path} has none of the columns expected (${expected}) but ${found.map(({ name }) => name).join(', ')}.`,
  );
}

interface Pair {
  source: ParquetColumn;
  target: LoadColumn;
}

class OpenedParquet implements OpenedFile {
  readonly columns: readonly LoadColumn[];

  constructor(
    private readonly connection: DuckDBConnection,
    private readonly file: FileInput,
    private readonly pairs: readonly Pair[],
  ) {
    this.columns = pairs.map(({ target }) => target);
  }

  async copyTo(sink: Sink, loadId: bigint, signal: AbortSignal): Promise<number> {
    const out = new CopyWriter();
    const rows = new ChunkEncoder(this.columns, out, loadIdBytes(loadId));
    const reclaimer = new ChunkReclaimer();
    const result = await this.connection.stream(await this.question()).catch((error: unknown) => {
      throw unreadable(this.file, error);
    });
    for (;;) {
      signal.throwIfAborted();
      const chunk = await result.fetchChunk().catch((error: unknown) => {
        throw unreadable(this.file, error);
      });
      if (chunk === null || chunk.rowCount === 0) break;
      if (!rows.encode(chunk)) throw await this.firstUnfit();
      if (out.position >= SEND_BYTES) await sink(out.take());
      if (reclaimer.passed(chunk)) await setImmediate();
    }
    if (out.position > 0) await sink(out.take());
    return out.rows;
  }

  lineOf(row: number): Promise<number | null> {
    return Promise.resolve(row);
  }

  close(): void {
    // The connection is shared; the result was read to its end or is dropped with its last reference.
  }

  private async question(): Promise<string> {
    const parts = this.pairs.map(({ source, target }) => expressions(source, target));
    const unfit = parts.flatMap((part) => (part.unfit === null ? [] : [part.unfit]));
    const flag = unfit.length === 0 ? 'false' : unfit.join(' OR ');
    return `SELECT ${parts.map(({ value }) => value).join(', ')}, ${flag} FROM ${tableOf(await this.file.localPath())}`;
  }

  private async firstUnfit(): Promise<BadFile> {
    const table = tableOf(await this.file.localPath(), true);
    let first: { row: number; pair: Pair; value: string } | null = null;
    for (const pair of this.pairs) {
      const { unfit } = expressions(pair.source, pair.target);
      if (unfit === null) continue;
      const query = `SELECT file_row_number + 1, ${quoted(pair.source.name)}::VARCHAR FROM ${table} WHERE ${unfit} ORDER BY 1 LIMIT 1`;
      const [row] = (await this.connection.runAndReadAll(query)).getRows();
      if (row !== undefined && (first === null || Number(row[0]) < first.row))
        first = { row: Number(row[0]), pair, value: String(row[1]) };
    }
    return first === null
      ? new BadFile('type_mismatch', `${this.file.path} holds a value that does not fit.`)
      : unfitValue(first);
  }
}

function unfitValue({ row, pair, value }: { row: number; pair: Pair; value: string }): BadFile {
  const { name } = pair.source;
  const message = `Row ${row}, column ${name}: ${value.slice(0, 60)} cannot be stored as ${pair.target.type} without changing it. Correct the value.`;
  return new BadFile('type_mismatch', message, { line: row, column: name });
}

class ChunkEncoder {
  private readonly readers: readonly VectorColumn[];

  constructor(
    columns: readonly LoadColumn[],
    private readonly out: CopyWriter,
    private readonly suffix: Buffer,
  ) {
    this.readers = columns.map(({ type }) => VECTOR_TYPES[type].column());
  }

  /** False: a row of the chunk is flagged as unfit; nothing of the chunk is written. */
  encode(chunk: DuckDBDataChunk): boolean {
    const { readers, out, suffix } = this;
    const rows = chunk.rowCount;
    const flags = duckdb.vector_get_data(duckdb.data_chunk_get_vector(chunk.chunk, readers.length), rows);
    if (flags.includes(1)) return false;
    readers.forEach((reader, index) => reader.take(duckdb.data_chunk_get_vector(chunk.chunk, index), rows));
    for (let row = 0; row < rows; row++) {
      out.beginRow(readers.length + 1);
      for (const reader of readers) reader.write(row, out);
      out.raw(suffix, 0, 8);
      out.endRow();
    }
    return true;
  }
}
