import type { DuckDb } from '../../duckdb';
import { BadFile, UnknownColumns } from '../../errors';
import { together } from '../../schema/infer';
import { type FileInput, FormatReader, type Inference, type OpenedFile, type ReadPlan } from '../format-reader';
import { nestedFields } from './duckdb-types';
import { OpenedParquet } from './opened-parquet';
import { inferredColumn, type Pair, type ParquetColumn } from './parquet-columns';
import { columnsOf, tableOf } from './parquet-file';

/** Parquet, read by DuckDB into column vectors which are encoded without becoming JavaScript values. */
export class ParquetReader extends FormatReader {
  constructor(private readonly duckDb: DuckDb) {
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
    assertKnown(file, found, plan);
    const pairs = pairsOf(found, plan);
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

function pairsOf(found: readonly ParquetColumn[], plan: ReadPlan): Pair[] {
  const known = new Map(plan.columns.map((column) => [column.source, column]));
  return found.flatMap((source) => {
    const target = known.get(source.source);
    return target === undefined ? [] : [{ source, target }];
  });
}

function assertKnown(file: FileInput, found: readonly ParquetColumn[], plan: ReadPlan): void {
  const known = new Map(plan.columns.map((column) => [column.source, column]));
  const unknown = found.filter(({ source }) => !known.has(source));
  if (unknown.length === found.length && known.size > 0) throw nothingInCommon(file, found, plan);
  const fields = found.flatMap(({ source, parsed }) => {
    const before = known.get(source)?.fields;
    return before === undefined ? [] : nestedFields(parsed, source).filter((field) => !before.includes(field));
  });
  const all = [...unknown.map(({ source }) => source), ...fields];
  if (all.length > 0 && plan.unknown === 'report') throw new UnknownColumns(all);
}

function nothingInCommon(file: FileInput, found: readonly ParquetColumn[], plan: ReadPlan): BadFile {
  const expected = plan.columns.map(({ source }) => source).join(', ');
  return new BadFile(
    'schema_mismatch',
    `${file.path} has none of the columns expected (${expected}) but ${found.map(({ source }) => source).join(', ')}.`,
  );
}

function unreadableColumn(file: FileInput, { source, unreadable }: ParquetColumn): BadFile {
  return new BadFile('schema_mismatch', `Column ${source} of ${file.path} holds ${unreadable}.`, { column: source });
}
