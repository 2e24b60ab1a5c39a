import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import duckdb from '@duckdb/node-bindings';
import type { DuckDBConnection, DuckDBDataChunk } from '@duckdb/node-api';
import { typeName } from '../../copy/column-encoder';
import { CopyWriter, loadIdBytes } from '../../copy/copy-writer';
import type { LoadColumn } from '../../column';
import type { DuckDb } from '../../duckdb';
import { BadFile, UnknownColumns } from '../../errors';
import { asBadFile } from '../bytes';
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
      for (const column of await describe(connection, file).catch(passOver))
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

function passOver(error: unknown): ParquetColumn[] {
  if (error instanceof BadFile) return [];
  throw error;
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
    throw await unreadable(file, error);
  }
}

/** What DuckDB says of a file, unless the file system has something to say first. */
async function unreadable(file: FileInput, error: unknown): Promise<unknown> {
  const barrier = await access(await file.localPath(), constants.R_OK).catch((reason: unknown) => reason);
  if (barrier !== undefined) return asBadFile(barrier, file);
  const reason = ((error as Error).message.split('\n')[0] ?? '').replaceAll(/(['"])\/[^'"]*\//g, '$1');
  const tooLarge = /out of memory/i.test(reason);
  const remedy = tooLarge ? 'Raise SLUICE_READER_MEMORY_MB, or write smaller row groups.' : 'Write the file again.';
  return new BadFile(
    tooLarge ? 'limit' : 'malformed',
    `${file.path} cannot be read as Parquet: ${reason.replace(/[.!]?$/, '.')} ${remedy}`,
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
    const result = await this.connection.stream(await this.question()).catch((error: unknown) => this.fail(error));
    for (;;) {
      signal.throwIfAborted();
      const chunk = await result.fetchChunk().catch((error: unknown) => this.fail(error));
      if (chunk === null || chunk.rowCount === 0) break;
      if (!rows.take(chunk)) throw await this.firstUnfit();
      while (rows.left > 0) {
        const unfit = rows.encodeSome();
        if (unfit !== null) throw await this.unfitAt(out.rows + 1, unfit);
        if (out.position >= SEND_BYTES) await sink(out.take());
      }
      if (reclaimer.passed(chunk)) await setImmediate();
    }
    if (out.position > 0) await sink(out.take());
    return out.rows;
  }

  private async fail(error: unknown): Promise<never> {
    throw await unreadable(this.file, error);
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
    const table = tableOf(await this.file.localPath());
    let first: { row: number; pair: Pair; value: string } | null = null;
    for (const pair of this.pairs) {
      const { unfit } = expressions(pair.source, pair.target);
      if (unfit === null) continue;
      const numbered = `SELECT row_number() OVER (), ${quoted(pair.source.name)}::VARCHAR, ${unfit} FROM ${table}`;
      const query = `SELECT place, value FROM (${numbered}) AS numbered (place, value, unfit) WHERE unfit ORDER BY 1 LIMIT 1`;
      const [row] = (await this.connection.runAndReadAll(query)).getRows();
      if (row !== undefined && (first === null || Number(row[0]) < first.row))
        first = { row: Number(row[0]), pair, value: String(row[1]) };
    }
    return first === null
      ? new BadFile('type_mismatch', `${this.file.path} holds a value that does not fit.`)
      : unfitValue(first);
  }

  /** The value of a row and a column, told by their numbers. */
  private async unfitAt(row: number, column: number): Promise<BadFile> {
    const pair = this.pairs[column] as Pair;
    const table = tableOf(await this.file.localPath());
    const query = `SELECT ${quoted(pair.source.name)}::VARCHAR FROM ${table} LIMIT 1 OFFSET ${row - 1}`;
    const [found] = (await this.connection.runAndReadAll(query)).getRows();
    return unfitValue({ row, pair, value: String(found?.[0]) });
  }
}

function unfitValue({ row, pair, value }: { row: number; pair: Pair; value: string }): BadFile {
  const { name } = pair.source;
  const message = `Row ${row}, column ${name}: ${value.slice(0, 60)} cannot be stored as ${typeName(pair.target)} without changing it. Correct the value.`;
  return new BadFile('type_mismatch', message, { line: row, column: name });
}

class ChunkEncoder {
  /** Rows of the chunk still to be written. */
  left = 0;
  private row = 0;
  private readonly readers: readonly VectorColumn[];

  constructor(
    columns: readonly LoadColumn[],
    private readonly out: CopyWriter,
    private readonly suffix: Buffer,
  ) {
    this.readers = columns.map((column) => VECTOR_TYPES[column.type].column(column));
  }

  /** Copies the next chunk's vectors. False: a row of it is flagged as unfit. */
  take(chunk: DuckDBDataChunk): boolean {
    const { readers } = this;
    const rows = chunk.rowCount;
    const flags = duckdb.vector_get_data(duckdb.data_chunk_get_vector(chunk.chunk, readers.length), rows);
    if (flags.includes(1)) return false;
    readers.forEach((reader, index) => reader.take(duckdb.data_chunk_get_vector(chunk.chunk, index), rows));
    this.row = 0;
    this.left = rows;
    return true;
  }

  /** Writes rows until there is enough to send. The number of a column whose value cannot be written unchanged ends it. */
  encodeSome(): number | null {
    const { readers, out, suffix } = this;
    for (; this.left > 0 && out.position < SEND_BYTES; this.left--, this.row++) {
      out.beginRow(readers.length + 1);
      for (let index = 0; index < readers.length; index++)
        if (!(readers[index] as VectorColumn).write(this.row, out)) return index;
      out.raw(suffix, 0, 8);
      out.endRow();
    }
    return null;
  }
}
