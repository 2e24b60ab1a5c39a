import type { DuckDb } from '../../duckdb';
import { MAX_COLUMNS } from '../../column';
import { BadFile } from '../../errors';
import { together } from '../../schema/infer';
import { matched } from '../declared-columns';
import { type FileInput, FormatReader, type Inference, type OpenedFile, type ReadPlan } from '../format-reader';
import { besideNanoseconds, type WithNanoseconds } from './nanoseconds';
import { OpenedParquet } from './opened-parquet';
import type { ParquetColumn } from './parquet-column';
import { inferredColumn } from './parquet-columns';
import { columnsOf, tableOf } from './parquet-file';

/** Parquet, read by DuckDB into column vectors which are encoded without becoming JavaScript values. */
export class ParquetReader extends FormatReader {
  /** `maxColumns`: SLUICE_MAX_COLUMNS. */
  constructor(
    private readonly duckDb: DuckDb,
    private readonly maxColumns = MAX_COLUMNS,
  ) {
    super();
  }

  override async infer(files: readonly FileInput[]): Promise<Inference> {
    const connection = await this.duckDb.connect();
    const found: ParquetColumn[] = [];
    // What is wrong with a file is told by its load.
    for (const file of files) found.push(...(await columnsOf(connection, file).catch(passOver)));
    return { columns: together(found.map(inferredColumn)), dialect: null };
  }

  override async open(file: FileInput, plan: ReadPlan): Promise<OpenedFile> {
    const questions = await this.duckDb.connect();
    const declared = await columnsOf(questions, file);
    if (declared.length > this.maxColumns) throw tooManyColumns(file, declared.length, this.maxColumns);
    const read = matched(file.path, declared, plan).map(({ source }) => source);
    const looked = plan.unknown === 'rescue' ? declared : read;
    for (const column of looked) if (column.unreadable !== null) throw unreadableColumn(file, column);
    const { table, found, remove } = await this.tableFor(file, declared, looked);
    const wanted = { table, found, pairs: matched(file.path, found, plan), plan };
    return new OpenedParquet({ questions, session: await this.duckDb.session(), remove }, file, wanted, plan);
  }

  private async tableFor(
    file: FileInput,
    declared: readonly ParquetColumn[],
    looked: readonly ParquetColumn[],
  ): Promise<WithNanoseconds> {
    if (looked.every(({ cut }) => cut === null))
      return { table: await tableOf(file), found: declared, remove: () => undefined };
    return besideNanoseconds(await file.localPath(), declared, this.duckDb.tempDir);
  }
}

function passOver(error: unknown): ParquetColumn[] {
  if (error instanceof BadFile) return [];
  throw error;
}

function tooManyColumns({ path }: FileInput, count: number, most: number): BadFile {
  return new BadFile('limit', `${path} has ${count} columns, more than ${most} (SLUICE_MAX_COLUMNS). Write fewer.`);
}

function unreadableColumn(file: FileInput, { source, unreadable }: ParquetColumn): BadFile {
  return new BadFile('schema_mismatch', `Column ${source} of ${file.path} holds ${unreadable}.`, { column: source });
}
