import type { DuckDb } from '../../duckdb';
import { MAX_COLUMNS } from '../../column';
import { BadFile } from '../../errors';
import { together } from '../../schema/infer';
import { matched } from '../declared-columns';
import { type FileInput, FormatReader, type Inference, type OpenedFile, type ReadPlan } from '../format-reader';
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
    const found = await columnsOf(questions, file);
    if (found.length > this.maxColumns) throw tooManyColumns(file, found.length, this.maxColumns);
    const pairs = matched(file.path, found, plan);
    for (const column of plan.unknown === 'rescue' ? found : pairs.map(({ source }) => source))
      if (column.unreadable !== null) throw unreadableColumn(file, column);
    const wanted = { table: await tableOf(file), found, pairs, plan };
    return new OpenedParquet(await this.duckDb.session(), questions, file, wanted, plan);
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
