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
  type TableColumn,
  MAX_COLUMNS,
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
    const inference = await inferAll(this.files, [entry], this.given, Infinity);
    await this.adopt(inference, entry.path);
    // Whatever the reader meets must be known now, or the file would be read again for ever.
    const left = unknown.filter((source) => !this.knows(source));
    if (left.length > 0 && this.plan.unknown === 'report') throw this.lacks(entry.path, left);
  }

  /** What is wrong with one of the files is told by its load, which comes back with `evolve`. */
  private async discover(): Promise<void> {
    const sample = await this.session.fresh(null, SAMPLE_FILES);
    const inference = await inferAll(this.files, sample, this.given, SAMPLE_BYTES);
    if (inference.columns.length > 0)
      await this.adopt(inference, sample[0]?.path ?? '').catch((error: unknown) => {
        if (!(error instanceof BadFile)) throw error;
      });
  }

  /** What the person says of the dialect goes before what was found out. */
  private get given(): Partial<CsvDialect> {
    return { ...this.dialect, ...this.files.format.options };
  }

  private knows(source: string): boolean {
    return this.columns.some((column) => column.source === source);
  }

  /** Adds the columns not known yet to the table and keeps them as the next version. Raises `BadFile` where that cannot be. */
  private async adopt(inference: Inference, file: string): Promise<void> {
    const fresh = this.named(inference.columns.filter(({ source }) => !this.knows(source)));
    const added = await this.extend(fresh, await this.existing(fresh, file), file);
    this.columns = [...this.columns, ...added];
    this.dialect ??= inference.dialect;
    if (added.length > 0) await this.keep(added, file);
  }

  private named(inferred: readonly InferredColumn[]): LoadColumn[] {
    const taken = new Set(this.columns.map(({ name }) => name));
    return inferred.map(({ source, type }) => {
      const name = columnName(source, taken);
      taken.add(name);
      return { source, name, type };
    });
  }

  /** The table's columns; if there is none it is made, unless another ingestion has just made it with columns of its own. */
  private async existing(fresh: readonly LoadColumn[], file: string): Promise<TableColumn[]> {
    const existing = await this.session.columns(this.table);
    if (existing !== null) return existing;
    if (this.columns.length + fresh.length > MAX_COLUMNS) throw tooMany(file);
    await this.session.createTable(this.table, [...this.columns, ...fresh]);
    return (await this.session.columns(this.table)) ?? [];
  }

  /** Columns the table has already keep the type they have there; the others are added where the policy allows it. */
  private async extend(
    columns: readonly LoadColumn[],
    existing: readonly TableColumn[],
    file: string,
  ): Promise<LoadColumn[]> {
    const usable = this.usable(existing);
    const missing = columns.filter(({ name }) => !usable.has(name));
    if (this.order.on_schema_change === 'ignore') return asInTable(columns, usable);
    const hopeless =
      this.order.on_schema_change === 'fail' ? missing : missing.filter(({ name }) => isIn(existing, name));
    if (hopeless.length > 0) throw this.lacks(file, hopeless.map(described));
    if (existing.length + missing.length > MAX_COLUMNS + 1) throw tooMany(file);
    if (missing.length === 0) return asInTable(columns, usable);
    await this.session.addColumns(this.table, missing);
    return asInTable(columns, await this.usableNow());
  }

  private async keep(added: readonly LoadColumn[], file: string): Promise<void> {
    const changes = added.map(({ name, type }): SchemaChange => ({ kind: 'added', column: name, type }));
    const dialect = this.dialect === null ? null : { ...this.dialect };
    await this.recorder.addSchemaVersion(this.order.id, {
      after: this.version,
      columns: this.columns.map(({ source, name, type }) => ({ source, name, type })),
      changes,
      dialect,
      file,
    });
    this.version++;
  }

  /** The table may have been dropped or altered since the version was made; the policy says what becomes of columns that are gone. */
  private async matchTable(): Promise<void> {
    const existing = await this.existing([], this.table.table);
    const usable = this.usable(existing);
    const gone = this.columns.filter(({ name }) => !usable.has(name));
    if (gone.length > 0 && this.order.on_schema_change !== 'ignore') await this.restore(gone, existing);
    const kept =
      this.order.on_schema_change === 'ignore' ? this.columns.filter((column) => !gone.includes(column)) : this.columns;
    if (kept.length === 0) throw this.altered(gone);
    this.columns = asInTable(kept, gone.length > 0 ? await this.usableNow() : usable);
  }

  private async restore(gone: readonly LoadColumn[], existing: readonly TableColumn[]): Promise<void> {
    if (this.order.on_schema_change === 'fail' || gone.some(({ name }) => isIn(existing, name)))
      throw this.altered(gone);
    await this.session.addColumns(this.table, gone);
  }

  /** The columns which can be loaded, by name: each makes a file's column one of the table's type. */
  private usable(existing: readonly TableColumn[]): Map<string, (column: LoadColumn) => LoadColumn> {
    if (!existing.some(({ name, type }) => name === LOAD_ID && type === 'bigint')) throw this.withoutLoadId();
    const loadable = existing.filter(({ name, type }) => LOADABLE.has(type) && name !== LOAD_ID);
    return new Map(
      loadable.map((column) => [column.name, ({ source, name }) => ({ source, name, ...typeOf(column) })]),
    );
  }

  /** Looked up again after columns were added: another ingestion may have added one of them first, with a type of its own. */
  private async usableNow(): Promise<ReturnType<TableSchema['usable']>> {
    return this.usable((await this.session.columns(this.table)) ?? []);
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

  private lacks(path: string, columns: readonly string[]): BadFile {
    const { schema, table } = this.table;
    return new BadFile(
      'schema_mismatch',
      `The table ${schema}.${table} lacks columns of ${path}, or has them with a type Sluice cannot load: ${columns.map((column) => `+ ${column}`).join(', ')}. ${REMEDY}`,
      { column: columns[0] ?? null },
    );
  }

  private altered(columns: readonly LoadColumn[]): DestinationError {
    const { schema, table } = this.table;
    return new DestinationError(
      'schema_mismatch',
      `The table ${schema}.${table} no longer has columns it was loaded with, or has them with a type Sluice cannot load: ${columns.map(described).join(', ')}. ${REMEDY}`,
      'never',
    );
  }
}

const REMEDY = 'Alter the table, or set on_schema_change to append_new_columns or ignore.';

function described({ name, type }: LoadColumn): string {
  return `${name} ${type}`;
}

function isIn(existing: readonly TableColumn[], name: string): boolean {
  return existing.some((column) => column.name === name);
}

function typeOf({ type, modifier }: TableColumn): Pick<LoadColumn, 'type' | 'modifier'> {
  return { type: type as ColumnType, ...(modifier === -1 ? {} : { modifier }) };
}

function asInTable(
  columns: readonly LoadColumn[],
  usable: ReadonlyMap<string, (column: LoadColumn) => LoadColumn>,
): LoadColumn[] {
  return columns.flatMap((column) => usable.get(column.name)?.(column) ?? []);
}

function tooMany(path: string): BadFile {
  return new BadFile(
    'limit',
    `With the columns of ${path} the table would have more than ${MAX_COLUMNS} columns, which PostgreSQL does not allow. Split the file, or set on_schema_change to ignore.`,
  );
}

function unwanted(path: string, columns: readonly string[]): BadFile {
  const list = columns.map((column) => `+ ${column}`).join(', ');
  return new BadFile(
    'schema_mismatch',
    `${path} brings columns that were not there before (${list}) and on_schema_change is "fail". Set it to append_new_columns or ignore to load the file.`,
    { column: columns[0] ?? null },
  );
}
