import {
  BadFile,
  type CsvDialect,
  DestinationError,
  type Files,
  inferAll,
  type InferredColumn,
  type LoadSession,
  MAX_COLUMNS,
  type OpenedFile,
  type ReadPlan,
  rescues,
  type SourceEntry,
  type TableChange,
  type WriteOrder,
} from '@sluice/connectors';
import type { RunningOrder, RunRecorder, SchemaChange } from '@sluice/ingestion';
import { Drift, SchemaChanged } from '../faults';
import { type KnownColumn, newFields, told, watchedFields, widerType } from './differences';
import { Hints } from './hints';
import { keyNames, withKeys } from './merge-keys';
import { POLICY, type Policy } from './policy';
import { TargetTable } from './target-table';

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
  private table: TargetTable | null = null;
  private readonly policy: Policy;
  private readonly hints: Hints;

  constructor(
    private readonly order: RunningOrder,
    private readonly session: LoadSession,
    private readonly recorder: RunRecorder,
    private readonly files: Files,
  ) {
    this.policy = POLICY[order.on_schema_change];
    this.hints = new Hints(order.schema);
  }

  /** Recalls the newest version, or finds the first one out from `sample`; makes the table if there is none. */
  async prepare(sample: readonly SourceEntry[]): Promise<void> {
    this.table = await TargetTable.find(this.session, this.name);
    const known = await this.recorder.knownSchema(this.order.id);
    if (known === null) return this.discover(sample);
    this.version = known.version;
    this.columns = known.columns.map((column) => this.hints.known(column));
    this.dialect = known.dialect as CsvDialect | null;
    await this.matchTable();
    await this.followHints();
  }

  /** `lenient`: bad rows are left out where the quality rules allow it; else they fail the file, so that the schema can follow first. */
  plan(lenient: boolean): ReadPlan {
    const { unknown, unfit } = this.initial ? POLICY.append_new_columns : this.policy;
    const rejects = this.order.quality.on_error === 'skip_rows' && (lenient || !this.policy.syncs);
    return {
      columns: withKeys(this.columns, this.keys),
      dialect: this.dialect,
      given: this.files.given,
      ...{ unknown, unfit, badRows: rejects ? 'reject' : 'fail' },
    };
  }

  get write(): WriteOrder {
    return { table: this.name, keys: this.keys, columns: this.columns, rescued: this.rescued && !this.initial };
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
    if (this.policy.stops && !this.initial) throw new SchemaChanged(entry.path, told(drift, this.columns, inferred));
    const before = this.version;
    if (this.initial || this.policy.adds) await this.add(this.hints.applied(inferred), entry.path, drift.unknown);
    if (this.policy.syncs) await this.sync(inferred, drift, entry.path);
    if (this.version === before) throw drift.fault ?? this.lacks(entry.path, drift.unknown);
    const left = drift.unknown.filter((name) => !this.knows(name));
    // Whatever the reader meets must be known now, or the file would be read again for ever.
    if (left.length > 0 && this.plan(true).unknown === 'report') throw this.lacks(entry.path, left);
    return `${entry.path} changed the schema: ${told(drift, this.columns, inferred).join(', ')}.`;
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

  private get name(): WriteOrder['table'] {
    const { schema, table } = this.order.destination;
    return { schema, table };
  }

  /** A column by its source name, or a nested field of one by `source.path`. */
  private knows(name: string): boolean {
    return this.columns.some(
      (column) =>
        column.source === name || (name.startsWith(`${column.source}.`) && newFields(column, [name]).length === 0),
    );
  }

  /** Adds the columns not known yet, and the nested fields that are new, and keeps all as the next version. */
  private async add(inferred: readonly InferredColumn[], file: string, unknown: readonly string[]): Promise<void> {
    const nested = this.addFields(inferred, unknown);
    const fresh = this.named(inferred.filter(({ source }) => !this.columns.some((known) => known.source === source)));
    const added = await this.settle(fresh, file);
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
        ...fields.map((path) => ({ kind: 'added', column: `${column.name}.${path}`, type: 'json' }) as const),
      );
      const all = [...new Set([...(column.fields ?? []), ...(seen.fields ?? []), ...fields])].sort();
      return { ...unwatched(column), ...watchedFields({ ...seen, type: 'jsonb', fields: all }) };
    });
    return changes;
  }

  /** Columns of the table with these names, or new ones: exactly the name in the file where the table has it, else in snake case. */
  private named(inferred: readonly InferredColumn[]): KnownColumn[] {
    const taken = new Set(this.columns.map(({ name }) => name));
    return inferred.map((column) => {
      const name = this.hints.nameFor(column.source, taken, this.table);
      taken.add(name);
      const locked = this.hints.locks(column.source);
      const fields = this.policy.unknown === 'report' ? watchedFields(column) : {};
      return { source: column.source, name, type: column.type, locked, ...fields };
    });
  }

  /** Puts columns into the table as the policy allows; what the table has keeps its type there. */
  private async settle(fresh: readonly KnownColumn[], file: string): Promise<KnownColumn[]> {
    if (this.table === null) return this.makeTable(fresh, file);
    await this.table.prepareOwnColumns(this.rescued, this.policy.alters);
    const missing = fresh.filter((column) => this.inTable(column) === null);
    if (this.policy.adds && missing.length > 0) await this.extend(missing, file);
    const lacking = fresh.filter((column) => this.inTable(column) === null);
    if (lacking.length > 0 && this.policy.unknown === 'report')
      throw this.lacks(
        file,
        lacking.map(({ source }) => source),
      );
    return fresh.flatMap((column) => this.inTable(column) ?? []);
  }

  private async extend(missing: readonly KnownColumn[], file: string): Promise<void> {
    const absent = missing.filter(({ name }) => this.table?.has(name) === false);
    // Two more are Sluice's own.
    if ((this.table?.columnCount ?? 0) + absent.length > MAX_COLUMNS + 2) throw tooMany(file);
    await this.altered(
      file,
      absent.map(({ name, type }) => ({ kind: 'add', column: name, type })),
    );
  }

  private async makeTable(fresh: readonly KnownColumn[], file: string): Promise<KnownColumn[]> {
    const all = [...this.columns, ...fresh];
    if (all.length > MAX_COLUMNS) throw tooMany(file);
    const { write_mode, merge_keys } = this.order.destination;
    const keys = write_mode === 'merge' ? keyNames(merge_keys, all) : [];
    await this.session.createTable(this.name, all, { keys, rescued: this.rescued });
    this.table = await TargetTable.find(this.session, this.name);
    // Another ingestion may have just made it with columns of its own.
    return this.settle(fresh, file);
  }

  private inTable(column: KnownColumn): KnownColumn | null {
    const adapted = this.table?.adapt(column) ?? null;
    return adapted === null ? null : { ...adapted, locked: column.locked };
  }

  /** The table may have been dropped or altered since the version was made; the policy says what becomes of columns that are gone. */
  private async matchTable(): Promise<void> {
    if (this.table === null) await this.makeTable([], this.name.table);
    else await this.table.prepareOwnColumns(this.rescued, this.policy.alters);
    const gone = this.columns.filter((column) => this.inTable(column) === null);
    if (gone.length > 0 && this.policy.unknown === 'report') await this.restore(gone);
    const kept = this.columns.flatMap((column) => this.inTable(column) ?? []);
    if (kept.length === 0) throw this.gone(gone);
    this.columns = kept;
  }

  private async restore(gone: readonly KnownColumn[]): Promise<void> {
    if (!this.policy.adds || gone.some(({ name }) => this.table?.has(name))) throw this.gone(gone);
    await this.table?.alter(gone.map(({ name, type }) => ({ kind: 'add', column: name, type })));
  }

  /** Types that the person gives later are followed where that loses nothing. A table that somebody else made keeps its types. */
  private async followHints(): Promise<void> {
    const wanted = this.table?.ours === true && this.policy.alters ? this.hints.widenings(this.columns) : [];
    if (wanted.length === 0) return;
    await this.table?.alter(wanted.map(({ column, type }) => ({ kind: 'widen', column, type })));
    const before = new Map(this.columns.map(({ name, type }) => [name, type]));
    this.columns = this.columns.flatMap((column) => this.inTable(column) ?? []);
    const changes = wanted.map(({ column, type }): SchemaChange => {
      return { kind: 'widened', column, type, before: before.get(column) ?? '' };
    });
    await this.keep(changes, 'schema.columns');
  }

  private async sync(inferred: readonly InferredColumn[], drift: Drift, file: string): Promise<void> {
    const steps = [...this.widenings(inferred, drift.unfit), ...this.relaxations(drift.missing)];
    if (steps.length === 0) return;
    await this.altered(
      file,
      steps.map(({ change }) => change),
    );
    const dropped = new Set(steps.flatMap(({ told }) => (told.kind === 'removed' ? told.column : [])));
    this.columns = this.columns
      .filter(({ name }) => !dropped.has(name))
      .flatMap((column) => this.inTable(column) ?? []);
    await this.keep(
      steps.map(({ told }) => told),
      file,
    );
  }

  private widenings(inferred: readonly InferredColumn[], unfit: readonly string[]): Step[] {
    return unfit.flatMap((source) => {
      const column = this.columns.find((known) => known.source === source);
      const seen = inferred.find((each) => each.source === source);
      const type = column && seen ? widerType(column, seen) : null;
      if (column === undefined || type === null) return [];
      const { name, type: before } = column;
      return { change: { kind: 'widen', column: name, type }, told: { kind: 'widened', column: name, type, before } };
    });
  }

  private relaxations(missing: readonly string[]): Step[] {
    const columns = this.columns.filter(({ source }) => missing.includes(source) && this.relaxable(source));
    return columns.map(({ name, type }) =>
      this.order.schema.drop_removed
        ? { change: { kind: 'drop', column: name }, told: { kind: 'removed', column: name, type } }
        : { change: { kind: 'nullable', column: name }, told: { kind: 'nullable', column: name, type } },
    );
  }

  /** A column that a file may lack only after the table has changed. Keys stay as they are: a file without them is a bad one. */
  private relaxable(source: string): boolean {
    const column = this.columns.find((known) => known.source === source);
    if (!this.policy.syncs || column === undefined || this.keys.includes(column.name)) return false;
    const found = this.table?.column(column.name);
    return this.order.schema.drop_removed || (found?.notNull === true && !found.hasDefault);
  }

  /** What stands in the way of a change (a view, ...) is told of the file that wants it. */
  private async altered(file: string, changes: readonly TableChange[]): Promise<void> {
    await this.table?.alter(changes).catch((error: unknown) => {
      if (!(error instanceof DestinationError) || error.retry === 'later') throw error;
      throw new BadFile(
        'schema_mismatch',
        `${file} needs a change of the table: ${error.message}`,
        {},
        { cause: error },
      );
    });
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

  private lacks(path: string, columns: readonly string[]): BadFile {
    const { schema, table } = this.name;
    const list = columns.map((column) => `+ ${column}`).join(', ');
    return new BadFile(
      'schema_mismatch',
      `The table ${schema}.${table} lacks columns of ${path}, or the server alone writes them: ${list}. ${REMEDY}`,
      { column: columns[0] ?? null },
    );
  }

  private gone(columns: readonly KnownColumn[]): DestinationError {
    const { schema, table } = this.name;
    const list = columns.map(({ name, type }) => `${name} ${type}`).join(', ');
    return new DestinationError(
      'schema_mismatch',
      `The table ${schema}.${table} no longer has columns it was loaded with, or the server alone writes them: ${list}. ${REMEDY}`,
      'never',
    );
  }
}

function unwatched(column: KnownColumn): KnownColumn {
  const copy = { ...column };
  delete copy.fields;
  return copy;
}

interface Step {
  change: TableChange;
  told: SchemaChange;
}

const REMEDY = 'Alter the table, or set on_schema_change to append_new_columns, sync_all_columns, rescue or ignore.';

function tooMany(path: string): BadFile {
  return new BadFile(
    'limit',
    `With the columns of ${path} the table would have more than ${MAX_COLUMNS} columns, and two of PostgreSQL's 1,600 are Sluice's own. Split the file, or set on_schema_change to ignore or rescue.`,
  );
}
