import {
  BadFile,
  type CsvDialect,
  type Files,
  inferAll,
  type InferredColumn,
  type LoadError,
  type LoadSession,
  type OpenedFile,
  type ReadPlan,
  type Retyping,
  rescues,
  type SourceEntry,
  type WriteOrder,
} from '@sluice/connectors';
import type { ColumnRecord, KnownSchema, RunningOrder, RunRecorder, SchemaChange } from '@sluice/ingestion';
import { Drift, SchemaChanged } from '../faults';
import { fieldName, isKnownAs, type KnownColumn, newFields, told, watchedFields } from './differences';
import { Hints } from './hints';
import { keyNames, withKeys } from './merge-keys';
import { POLICY, type Policy } from './policy';
import { inferWhole, Renewal } from './renewal';
import { relaxations, widenings } from './sync-steps';
import { TableFit } from './table-fit';

/** Expanded bytes of each file that are looked at before a table is made. */
const SAMPLE_BYTES = 8 * 1024 * 1024;

/**
 * The columns of one ingestion and its table: found out once, kept as numbered versions, changed as `on_schema_change` says.
 * Tables are changed in short transactions of their own, never while a batch is under way.
 */
export class TableSchema {
  private columns: KnownColumn[] = [];
  private dialect: CsvDialect | null = null;
  private version = 0;
  /** What becomes of `columns` when the table that is built anew is in its place. */
  private renewal = Renewal.NONE;
  private readonly policy: Policy;
  private readonly hints: Hints;
  private readonly fit: TableFit;

  constructor(
    private readonly order: RunningOrder,
    session: LoadSession,
    private readonly recorder: RunRecorder,
    private readonly files: Files,
    /** The run is one transaction. */
    private readonly atOnce: boolean,
  ) {
    this.policy = POLICY[order.on_schema_change];
    this.hints = new Hints(order.schema);
    this.fit = new TableFit(order, session, this.policy, this.rescued);
  }

  /**
   * Recalls the newest version, or finds the first one out from `sample`; makes the table if there is none.
   * `all`: the table is built anew from these; then its types become what the person says now.
   */
  async prepare(sample: readonly SourceEntry[], all: AsyncIterable<SourceEntry> | null): Promise<void> {
    await this.fit.find();
    const known = await this.recorder.knownSchema(this.order.id);
    if (known === null) return this.discover(sample);
    const recorded = this.recall(known);
    this.columns = await this.fit.match(recorded);
    if (all === null || this.fit.table?.ours !== true) return this.followHints();
    this.renewal = await this.renew(recorded, all);
  }

  private recall({ version, columns, dialect }: KnownSchema): KnownColumn[] {
    this.version = version;
    this.dialect = dialect as CsvDialect | null;
    return columns.map((column) => this.hints.known(column));
  }

  /** Of what was recorded, not of what the table has: a version that could not be kept is made up for. */
  private renew(recorded: readonly KnownColumn[], all: AsyncIterable<SourceEntry>): Promise<Renewal> {
    const ours = new Set(this.columns.filter(({ cast }) => cast === undefined).map(({ name }) => name));
    const columns = recorded.filter(({ name }) => ours.has(name));
    return Renewal.of(columns, this.hints, () => inferWhole(this.files, all, this.given));
  }

  get retypings(): Retyping[] {
    return this.renewal.retypings;
  }

  /** The table built anew is in its place: its types are the next version. */
  async renewed(): Promise<void> {
    const { changes } = this.renewal;
    this.columns = this.target;
    this.renewal = Renewal.NONE;
    if (changes.length > 0) await this.keep(changes, 'schema');
  }

  /** The table was built anew before the process or the control database died: the version that was not kept then. */
  async makeUp(all: AsyncIterable<SourceEntry>): Promise<void> {
    await this.fit.find();
    const known = await this.recorder.knownSchema(this.order.id);
    if (known === null || this.fit.table?.ours !== true) return;
    const recorded = this.recall(known);
    this.columns = recorded.flatMap((column) => this.fit.fitted(column) ?? []);
    this.renewal = await this.renew(recorded, all);
    // The table or the hints may have changed once more since.
    const inTable = new Map(this.columns.map(({ name, type }) => [name, type]));
    const isAsBuilt = this.target.every(({ name, type }) => inTable.get(name) === type);
    if (isAsBuilt && this.columns.length === recorded.length) await this.renewed();
  }

  /** The columns of the table that rows are written to. */
  private get target(): KnownColumn[] {
    return this.renewal.applied(this.columns);
  }

  /** `lenient`: bad rows are left out where the quality rules allow it; else they fail the file, so that the schema can follow first. */
  plan(lenient: boolean): ReadPlan {
    const { unknown, unfit } = this.initial ? POLICY.append_new_columns : this.policy;
    const rejects = this.order.quality.on_error === 'skip_rows' && (lenient || !this.followsValues());
    return {
      columns: withKeys(this.target, this.keys),
      dialect: this.dialect,
      given: this.files.given,
      ...{ unknown, unfit, badRows: rejects ? 'reject' : 'fail' },
    };
  }

  get write(): WriteOrder {
    return {
      table: this.fit.name,
      keys: this.keys,
      columns: this.target,
      rescued: this.rescued && !this.initial,
      claims: this.order.changed_files === 'reload',
    };
  }

  /** Why a file opened cannot be loaded before the schema has changed; `null`: it can. */
  driftOf(opened: OpenedFile): Drift | null {
    const missing = opened.missing().filter((source) => this.policy.stops || this.relaxable(source));
    return missing.length > 0 && !this.initial ? new Drift({ missing }, null) : null;
  }

  /** Whether a value that does not fit its column may change the schema (or end the run). */
  followsValues(): boolean {
    return this.policy.syncs || this.policy.stops;
  }

  /**
   * Changes the schema so that the file can be loaded. Raises the `BadFile` that says why it cannot, or `SchemaChanged`.
   * Resolves with a sentence for the log.
   */
  async evolve(entry: SourceEntry, drift: Drift): Promise<string> {
    const { columns: inferred } = await inferAll(this.files, [entry], this.given, Infinity);
    if (this.policy.stops && !this.initial) throw this.stopped(entry.path, drift, inferred);
    const before = this.version;
    if (this.initial || this.policy.adds) await this.add(this.hints.applied(inferred), entry.path, drift.unknown);
    if (this.policy.syncs) await this.sync(inferred, drift, entry.path);
    if (this.version === before) throw drift.fault ?? this.fit.lacks(entry.path, drift.unknown);
    const left = drift.unknown.filter((name) => !this.knows(name));
    // Whatever the reader meets must be known now, or the file would be read again for ever.
    if (left.length > 0 && this.plan(true).unknown === 'report') throw this.fit.lacks(entry.path, left);
    return `${entry.path} changed the schema: ${told(drift, this.columns, inferred).join(', ')}.`;
  }

  /** Under `fail`; what is wrong with a file and is no difference of its columns is the file's own fault. */
  private stopped(path: string, drift: Drift, inferred: readonly InferredColumn[]): LoadError {
    const differences = told(drift, this.columns, inferred);
    return differences.length === 0 && drift.fault !== null ? drift.fault : new SchemaChanged(path, differences);
  }

  private async discover(sample: readonly SourceEntry[]): Promise<void> {
    const inference = await inferAll(this.files, sample, this.given, SAMPLE_BYTES);
    this.dialect = inference.dialect;
    const found = this.hints.first(inference.columns);
    if (found.length === 0) return;
    // What is wrong with one of the files is told by its load, which comes back with `evolve`.
    await this.add(found, sample[0]?.path ?? '', []).catch((error: unknown) => {
      if (!(error instanceof BadFile)) throw error;
    });
  }

  /** Nothing is known of the columns yet: the first file that has any decides. */
  private get initial(): boolean {
    return this.columns.length === 0;
  }

  /** A drop commits by itself: not while the table as a whole is still to be refused or rebuilt, and other files may have the column. */
  private get drops(): boolean {
    return this.order.schema.drop_removed && !this.atOnce;
  }

  private get rescued(): boolean {
    return rescues(this.policy);
  }

  private get keys(): string[] {
    const { write_mode, merge_keys } = this.order.destination;
    return write_mode === 'merge' && !this.initial ? keyNames(merge_keys, this.target) : [];
  }

  /** What the person says of the dialect goes before what was found out. */
  private get given(): Partial<CsvDialect> {
    return { ...this.dialect, ...this.files.given };
  }

  /** A column by its source name, or a nested field of one as readers name it. */
  private knows(name: string): boolean {
    return this.columns.some((column) => isKnownAs(column, name));
  }

  /** Adds the columns not known yet, and the nested fields that are new, and keeps all as the next version. */
  private async add(inferred: readonly InferredColumn[], file: string, unknown: readonly string[]): Promise<void> {
    const nested = this.addFields(inferred, unknown);
    const fresh = this.named(inferred.filter(({ source }) => !this.columns.some((known) => known.source === source)));
    const added = await this.fit.settle(this.columns, fresh, file);
    this.columns = [...this.columns, ...added];
    const changes = added.map(({ name, type }): SchemaChange => ({ kind: 'added', column: name, type }));
    if (changes.length + nested.length > 0) await this.keep([...changes, ...nested], file);
  }

  private addFields(inferred: readonly InferredColumn[], unknown: readonly string[]): SchemaChange[] {
    const changes: SchemaChange[] = [];
    this.columns = this.columns.map((column) => {
      const fields = newFields(column, unknown);
      const seen = inferred.find(({ source }) => source === column.source);
      if (fields.length === 0 || seen === undefined) return column;
      changes.push(
        ...fields.map((path) => ({ kind: 'added', column: fieldName(column.name, path), type: 'json' }) as const),
      );
      // There is no end of them: the names are data.
      if (seen.fields === undefined) return unwatched(column);
      const all = [...new Set([...(column.fields ?? []), ...(seen.fields ?? []), ...fields])].sort();
      return { ...unwatched(column), ...watchedFields({ ...seen, type: 'jsonb', fields: all }) };
    });
    return changes;
  }

  /** Columns of the table with these names, or new ones: exactly the name in the file where the table has it, else in snake case. */
  private named(inferred: readonly InferredColumn[]): KnownColumn[] {
    const taken = new Set(this.columns.map(({ name }) => name));
    return inferred.map((column) => {
      const name = this.hints.nameFor(column.source, taken, this.fit.table);
      taken.add(name);
      const locked = this.hints.locks(column.source);
      const fields = this.policy.unknown === 'report' ? watchedFields(column) : {};
      const asked = this.hints.asked(column.source, column.type);
      return { source: column.source, name, type: column.type, locked, asked, ...fields };
    });
  }

  /** Types that the person gives later are followed where that loses nothing. A table that somebody else made keeps its types. */
  private async followHints(): Promise<void> {
    const wanted = this.fit.table?.ours === true && this.policy.alters ? this.hints.widenings(this.columns) : [];
    if (wanted.length === 0) return;
    await this.fit.table?.alter(wanted.map(({ column, type }) => ({ kind: 'widen', column, type })));
    const before = new Map(this.columns.map(({ name, type }) => [name, type]));
    this.columns = this.columns.flatMap((column) => {
      const fitted = this.fit.fitted(column);
      return fitted === null ? [] : { ...fitted, asked: this.hints.asked(column.source, fitted.type) ?? column.asked };
    });
    const changes = wanted.map(({ column, type }): SchemaChange => {
      return { kind: 'widened', column, type, before: before.get(column) ?? '' };
    });
    await this.keep(changes, 'schema.columns');
  }

  private async sync(inferred: readonly InferredColumn[], drift: Drift, file: string): Promise<void> {
    const found = new Set(inferred.map(({ source }) => source));
    const vanished = this.columns.filter(
      ({ source }) => drift.missing.includes(source) && !found.has(source) && this.relaxable(source),
    );
    const unfit = drift.unfit.filter((source) => !this.renewal.has(source));
    const steps = [...widenings(this.columns, inferred, unfit), ...relaxations(vanished, this.drops)];
    if (steps.length === 0) return;
    await this.fit.alter(
      file,
      steps.map(({ change }) => change),
    );
    const dropped = new Set(steps.flatMap(({ told }) => (told.kind === 'removed' ? told.column : [])));
    this.columns = this.columns
      .filter(({ name }) => !dropped.has(name))
      .flatMap((column) => this.fit.fitted(column) ?? []);
    await this.keep(
      steps.map(({ told }) => told),
      file,
    );
  }

  /** The source of a column of the table that a file may lack after its NOT NULL has gone; `null`: it is none. */
  relaxableAs(name: string | null): string | null {
    const column = this.columns.find((known) => known.name === name);
    return column !== undefined &&
      this.fit.table?.column(column.name)?.notNull === true &&
      this.relaxable(column.source)
      ? column.source
      : null;
  }

  /** A column that a file may lack only after the table has changed. Keys stay as they are: a file without them is a bad one. */
  private relaxable(source: string): boolean {
    const column = this.columns.find((known) => known.source === source);
    if (!this.policy.syncs || column === undefined || this.keys.includes(column.name)) return false;
    const found = this.fit.table?.column(column.name);
    return this.drops || (found?.notNull === true && !found.hasDefault);
  }

  private async keep(changes: readonly SchemaChange[], file: string): Promise<void> {
    await this.recorder.addSchemaVersion(this.order.id, {
      after: this.version,
      columns: this.columns.map(recordOf),
      changes: [...changes],
      dialect: this.dialect === null ? null : { ...this.dialect },
      file,
    });
    this.version++;
  }
}

function recordOf({ source, name, type, cast, fields, locked, asked }: KnownColumn): ColumnRecord {
  const kept = { source, name, type: cast ?? type };
  return { ...kept, ...(fields && { fields: [...fields] }), ...(locked && { locked }), ...(asked && { asked }) };
}

function unwatched(column: KnownColumn): KnownColumn {
  const copy = { ...column };
  delete copy.fields;
  return copy;
}
