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
  rescues,
  type SourceEntry,
  type WriteOrder,
} from '@sluice/connectors';
import type { RunningOrder, RunRecorder, SchemaChange } from '@sluice/ingestion';
import { Drift, SchemaChanged } from '../faults';
import { fieldName, isKnownAs, type KnownColumn, newFields, told, watchedFields } from './differences';
import { Hints } from './hints';
import { keyNames, withKeys } from './merge-keys';
import { POLICY, type Policy } from './policy';
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

  /** Recalls the newest version, or finds the first one out from `sample`; makes the table if there is none. */
  async prepare(sample: readonly SourceEntry[]): Promise<void> {
    await this.fit.find();
    const known = await this.recorder.knownSchema(this.order.id);
    if (known === null) return this.discover(sample);
    this.version = known.version;
    this.columns = known.columns.map((column) => this.hints.known(column));
    this.dialect = known.dialect as CsvDialect | null;
    this.columns = await this.fit.match(this.columns);
    await this.followHints();
  }

  /** `lenient`: bad rows are left out where the quality rules allow it; else they fail the file, so that the schema can follow first. */
  plan(lenient: boolean): ReadPlan {
    const { unknown, unfit } = this.initial ? POLICY.append_new_columns : this.policy;
    const rejects = this.order.quality.on_error === 'skip_rows' && (lenient || !this.followsValues());
    return {
      columns: withKeys(this.columns, this.keys),
      dialect: this.dialect,
      given: this.files.given,
      ...{ unknown, unfit, badRows: rejects ? 'reject' : 'fail' },
    };
  }

  get write(): WriteOrder {
    return {
      table: this.fit.name,
      keys: this.keys,
      columns: this.columns,
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
    return write_mode === 'merge' && !this.initial ? keyNames(merge_keys, this.columns) : [];
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
      return { source: column.source, name, type: column.type, locked, ...fields };
    });
  }

  /** Types that the person gives later are followed where that loses nothing. A table that somebody else made keeps its types. */
  private async followHints(): Promise<void> {
    const wanted = this.fit.table?.ours === true && this.policy.alters ? this.hints.widenings(this.columns) : [];
    if (wanted.length === 0) return;
    await this.fit.table?.alter(wanted.map(({ column, type }) => ({ kind: 'widen', column, type })));
    const before = new Map(this.columns.map(({ name, type }) => [name, type]));
    this.columns = this.columns.flatMap((column) => this.fit.fitted(column) ?? []);
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
    const steps = [...widenings(this.columns, inferred, drift.unfit), ...relaxations(vanished, this.drops)];
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
      columns: this.columns.map(({ source, name, type, cast, fields, locked }) => {
        return { source, name, type: cast ?? type, ...(fields && { fields: [...fields] }), ...(locked && { locked }) };
      }),
      changes: [...changes],
      dialect: this.dialect === null ? null : { ...this.dialect },
      file,
    });
    this.version++;
  }
}

function unwatched(column: KnownColumn): KnownColumn {
  const copy = { ...column };
  delete copy.fields;
  return copy;
}
