import {
  DestinationError,
  LOAD_ID,
  type ColumnType,
  type CsvDialect,
  type Inference,
  type InferredColumn,
  type LoadColumn,
  type LoadSession,
  type ReadPlan,
  type TableName,
  TEXT_ENCODERS,
  BadFile,
  type SourceEntry,
} from '@sluice/connectors';
import type { RunningOrder, RunRecorder, SchemaChange } from '@sluice/ingestion';
import { columnName } from './column-names';
import type { Files } from './files';
import { inferAll } from './infer';

/** Files and bytes of each that are looked at before a table is made. */
const SAMPLE_FILES = 20;
const SAMPLE_BYTES = 8 * 1024 * 1024;
const LOADABLE: ReadonlySet<string> = new Set([...Object.keys(TEXT_ENCODERS), 'time without time zone', 'bytea']);

/** The columns of one ingestion's table: found out once, kept as numbered versions, changed as `on_schema_change` says. */
export class TableSchema {
  private columns: LoadColumn[] = [];
  private dialect: CsvDialect | null = null;
  private version = 0;

  constructor(
    private readonly order: RunningOrder,
    private readonly session: LoadSession,
    private readonly recorder: RunRecorder,
    private readonly files: Files,
  ) {}

  /** Recalls the newest version, or infers the first one from the first fresh files; makes the table if there is none. */
  async prepare(): Promise<void> {
    const known = await this.recorder.knownSchema(this.order.id);
    if (known === null) return this.discover();
    this.version = known.version;
    this.columns = known.columns as LoadColumn[];
    this.dialect = known.dialect as CsvDialect | null;
    await this.matchTable();
  }

  get plan(): ReadPlan {
    const ignore = this.order.on_schema_change === 'ignore' && this.columns.length > 0;
    const given = this.files.format.options;
    return { columns: this.columns, dialect: this.dialect, given, unknown: ignore ? 'ignore' : 'report' };
  }

  /** A file brought columns that are not known: adds them, or raises the `BadFile` which says why not. */
  async evolve(entry: SourceEntry, unknown: readonly string[]): Promise<void> {
    if (this.columns.length > 0 && this.order.on_schema_change === 'fail') throw unwanted(entry.path, unknown);
    const inference = await inferAll(this.files, [entry], Infinity);
    await this.adopt(inference, entry.path);
  }

  private async discover(): Promise<void> {
    const sample = await this.session.fresh(null, SAMPLE_FILES);
    const inference = await inferAll(this.files, sample, SAMPLE_BYTES);
    if (inference.columns.length > 0) await this.adopt(inference, sample[0]?.path ?? '');
  }

  /** Adds the columns not known yet to the table and keeps them as the next version. */
  private async adopt(inference: Inference, file: string): Promise<void> {
    const fresh = this.named(
      inference.columns.filter(({ source }) => !this.columns.some((column) => column.source === source)),
    );
    const existing = await this.session.columns(this.table);
    const added = existing === null ? await this.create(fresh) : await this.extend(fresh, existing);
    this.columns = [...this.columns, ...added];
    this.dialect ??= inference.dialect;
    await this.keep(added, file);
  }

  private named(inferred: readonly InferredColumn[]): LoadColumn[] {
    const taken = new Set(this.columns.map(({ name }) => name));
    return inferred.map(({ source, type }) => {
      const name = columnName(source, taken);
      taken.add(name);
      return { source, name, type };
    });
  }

  private async create(columns: LoadColumn[]): Promise<LoadColumn[]> {
    await this.session.createTable(this.table, [...this.columns, ...columns]);
    return columns;
  }

  /** Columns the table has already keep the type they have there; the others are added where the policy allows it. */
  private async extend(
    columns: readonly LoadColumn[],
    existing: readonly { name: string; type: string }[],
  ): Promise<LoadColumn[]> {
    const types = this.typesOf(existing);
    const missing = columns.filter(({ name }) => !types.has(name));
    if (missing.length > 0 && this.order.on_schema_change === 'fail') throw this.lacks(missing);
    if (missing.length > 0 && this.order.on_schema_change === 'append_new_columns')
      await this.session.addColumns(this.table, missing);
    const usable = this.order.on_schema_change === 'ignore' ? columns.filter(({ name }) => types.has(name)) : columns;
    return usable.map((column) => ({ ...column, type: types.get(column.name) ?? column.type }));
  }

  private async keep(added: readonly LoadColumn[], file: string): Promise<void> {
    const changes = added.map(({ name, type }): SchemaChange => ({ kind: 'added', column: name, type }));
    const dialect = this.dialect === null ? null : { ...this.dialect };
    await this.recorder.addSchemaVersion(this.order.id, {
      after: this.version,
      columns: [...this.columns],
      changes,
      dialect,
      file,
    });
    this.version++;
  }

  /** The table may have been dropped or altered since the version was made. */
  private async matchTable(): Promise<void> {
    const existing = await this.session.columns(this.table);
    if (existing === null) return this.session.createTable(this.table, this.columns);
    const types = this.typesOf(existing);
    const gone = this.columns.filter(({ name }) => !types.has(name));
    if (gone.length > 0) throw this.lacks(gone);
    this.columns = this.columns.map((column) => ({ ...column, type: types.get(column.name) ?? column.type }));
  }

  private typesOf(existing: readonly { name: string; type: string }[]): Map<string, ColumnType> {
    if (!existing.some(({ name, type }) => name === LOAD_ID && type === 'bigint')) throw this.withoutLoadId();
    return new Map(
      existing.filter(({ type }) => LOADABLE.has(type)).map(({ name, type }) => [name, type as ColumnType]),
    );
  }

  private get table(): TableName {
    const { schema, table } = this.order.destination;
    return { schema, table };
  }

  private withoutLoadId(): DestinationError {
    const { schema, table } = this.table;
    const remedy = `ALTER TABLE ${schema}.${table} ADD COLUMN ${LOAD_ID} bigint`;
    return new DestinationError(
      'schema_mismatch',
      `The table ${schema}.${table} has no column ${LOAD_ID} of type bigint. Add it with: ${remedy}.`,
      'never',
    );
  }

  private lacks(columns: readonly LoadColumn[]): DestinationError {
    const { schema, table } = this.table;
    const list = columns.map(({ name, type }) => `+ ${name} ${type}`).join(', ');
    return new DestinationError(
      'schema_mismatch',
      `The table ${schema}.${table} lacks columns of the files, or has them with a type Sluice cannot load: ${list}. Alter the table, or set on_schema_change to append_new_columns or ignore.`,
      'never',
    );
  }
}

function unwanted(path: string, columns: readonly string[]): BadFile {
  const list = columns.map((column) => `+ ${column}`).join(', ');
  return new BadFile(
    'schema_mismatch',
    `${path} brings columns that were not there before (${list}) and on_schema_change is "fail". Set it to append_new_columns or ignore to load the file.`,
    { column: columns[0] ?? null },
  );
}
