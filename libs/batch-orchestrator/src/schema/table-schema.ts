import {
  type Files,
  type LoadSession,
  type OpenedFile,
  type ReadPlan,
  type Retyping,
  rescues,
  type SourceEntry,
  type WriteOrder,
} from '@sluice/connectors';
import type { RunningOrder, RunRecorder, SchemaChange } from '@sluice/ingestion';
import { Drift } from '../faults';
import { ColumnVersions } from './column-versions';
import type { KnownColumn } from './differences';
import { Evolution } from './evolution';
import { Hints } from './hints';
import { withKeys } from './merge-keys';
import { POLICY, type Policy, readingBy } from './policy';
import { inferWhole, Renewal } from './renewal';
import { TableFit } from './table-fit';

/**
 * The columns of one ingestion and its table: found out once, kept as numbered versions, changed as `on_schema_change` says.
 * Tables are changed in short transactions of their own, never while a batch is under way.
 */
export class TableSchema {
  private readonly policy: Policy;
  private readonly hints: Hints;
  private readonly versions: ColumnVersions;
  private readonly fit: TableFit;
  private readonly evolution: Evolution;

  constructor(
    private readonly order: RunningOrder,
    session: LoadSession,
    recorder: RunRecorder,
    private readonly files: Files,
    /** The run is one transaction. */
    atOnce: boolean,
  ) {
    const policy = POLICY[order.on_schema_change];
    const hints = new Hints(order.schema);
    const versions = new ColumnVersions(order, hints, recorder);
    const fit = new TableFit(order, session, policy, rescues(policy));
    this.evolution = new Evolution({ order, policy, hints, versions, fit, files, atOnce });
    [this.policy, this.hints, this.versions, this.fit] = [policy, hints, versions, fit];
  }

  /**
   * Recalls the newest version, or finds the first one out from `sample`; makes the table if there is none.
   * `all`: the table is built anew from these; then its types become what the person says now.
   */
  async prepare(sample: readonly SourceEntry[], all: AsyncIterable<SourceEntry> | null): Promise<void> {
    const { evolution, fit, versions } = this;
    await fit.find();
    const recorded = await versions.recorded();
    if (recorded === null) return evolution.begin(sample);
    versions.columns = await fit.match(recorded);
    if (all === null || fit.table?.ours !== true) return this.followHints();
    versions.renewal = await this.renew(recorded, all);
  }

  get retypings(): Retyping[] {
    return this.versions.renewal.retypings;
  }

  /** The table built anew is in its place: its types are the next version. */
  async renewed(): Promise<void> {
    const { versions } = this;
    const { changes } = versions.renewal;
    versions.columns = versions.target;
    versions.renewal = Renewal.NONE;
    if (changes.length > 0) await versions.keep(changes, 'schema');
  }

  /** The table was built anew before the process or the control database died: the version that was not kept then. */
  async makeUp(all: AsyncIterable<SourceEntry>): Promise<void> {
    const { fit, versions } = this;
    await fit.find();
    const recorded = await versions.recorded();
    if (recorded === null || fit.table?.ours !== true) return;
    versions.columns = recorded.flatMap((column) => fit.fitted(column) ?? []);
    versions.renewal = await this.renew(recorded, all);
    // The table or the hints may have changed once more since.
    const inTable = new Map(versions.columns.map(({ name, type }) => [name, type]));
    const isAsBuilt = versions.target.every(({ name, type }) => inTable.get(name) === type);
    if (isAsBuilt && versions.columns.length === recorded.length) await this.renewed();
  }

  /** `lenient`: bad rows are left out where the quality rules allow it; else they fail the file, so that the schema can follow first. */
  plan(lenient: boolean): ReadPlan {
    const { dialect, initial, keys, target } = this.versions;
    const { unknown, unfit } = readingBy(this.policy, initial);
    const rejects = this.order.quality.on_error === 'skip_rows' && (lenient || !this.followsValues());
    return {
      columns: withKeys(target, keys),
      dialect,
      given: this.files.given,
      ...{ unknown, unfit, badRows: rejects ? 'reject' : 'fail' },
    };
  }

  get write(): WriteOrder {
    const { initial, keys, target } = this.versions;
    return {
      table: this.fit.name,
      keys,
      columns: target,
      rescued: rescues(this.policy) && !initial,
      claims: this.order.changed_files === 'reload',
    };
  }

  /** Why a file opened cannot be loaded before the schema has changed; `null`: it can. */
  driftOf(opened: OpenedFile): Drift | null {
    const missing = opened.missing().filter((source) => this.policy.stops || this.evolution.relaxable(source));
    return missing.length > 0 && !this.versions.initial ? new Drift({ missing }, null) : null;
  }

  /** Whether a value that does not fit its column may change the schema (or end the run). */
  followsValues(): boolean {
    return this.policy.syncs || this.policy.stops;
  }

  /** The source of a column of the table that a file may lack after its NOT NULL has gone; `null`: it is none. */
  relaxableAs(name: string | null): string | null {
    const column = this.versions.columns.find((known) => known.name === name);
    return column !== undefined &&
      this.fit.table?.column(column.name)?.notNull === true &&
      this.evolution.relaxable(column.source)
      ? column.source
      : null;
  }

  /**
   * Changes the schema so that the file can be loaded. Raises the `BadFile` that says why it cannot, or `SchemaChanged`.
   * Resolves with a sentence for the log.
   */
  evolve(entry: SourceEntry, drift: Drift): Promise<string> {
    return this.evolution.follow(entry, drift);
  }

  /** Of what was recorded, not of what the table has: a version that could not be kept is made up for. */
  private renew(recorded: readonly KnownColumn[], all: AsyncIterable<SourceEntry>): Promise<Renewal> {
    const { files, hints, versions } = this;
    const ours = new Set(versions.columns.filter(({ cast }) => cast === undefined).map(({ name }) => name));
    const columns = recorded.filter(({ name }) => ours.has(name));
    return Renewal.of(columns, hints, () => inferWhole(files, all, versions.dialectWith(files.given)));
  }

  /** Types that the person gives later are followed where that loses nothing. A table that somebody else made keeps its types. */
  private async followHints(): Promise<void> {
    const { fit, hints, versions } = this;
    const wanted = fit.table?.ours === true && this.policy.alters ? hints.widenings(versions.columns) : [];
    if (wanted.length === 0) return;
    await fit.table?.alter(wanted.map(({ column, type }) => ({ kind: 'widen', column, type })));
    const before = new Map(versions.columns.map(({ name, type }) => [name, type]));
    versions.columns = versions.columns.flatMap((column) => {
      const fitted = fit.fitted(column);
      return fitted === null ? [] : { ...fitted, asked: hints.asked(column.source, fitted.type) ?? column.asked };
    });
    const changes = wanted.map(({ column, type }): SchemaChange => {
      return { kind: 'widened', column, type, before: before.get(column) ?? '' };
    });
    await versions.keep(changes, 'schema.columns');
  }
}
