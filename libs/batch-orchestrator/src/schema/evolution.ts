import {
  BadFile,
  type Files,
  inferAll,
  type InferredColumn,
  type LoadError,
  type SourceEntry,
} from '@sluice/connectors';
import type { RunningOrder, SchemaChange } from '@sluice/ingestion';
import { type Drift, SchemaChanged } from '../faults';
import type { ColumnVersions } from './column-versions';
import { fieldName, type KnownColumn, newFields, told, watchedFields } from './differences';
import type { Hints } from './hints';
import { type Policy, readingBy } from './policy';
import { relaxations, widenings } from './sync-steps';
import type { TableFit } from './table-fit';

/** Expanded bytes of each file that are looked at before a table is made. */
const SAMPLE_BYTES = 8 * 1024 * 1024;

/** What the parts of a schema share. */
export interface SchemaParts {
  order: RunningOrder;
  policy: Policy;
  hints: Hints;
  versions: ColumnVersions;
  fit: TableFit;
  files: Files;
  /** The run is one transaction. */
  atOnce: boolean;
}

/** How columns and table follow the files, as far as `on_schema_change` lets them. */
export class Evolution {
  constructor(private readonly parts: SchemaParts) {}

  /** The first columns, found out from `sample`. */
  async begin(sample: readonly SourceEntry[]): Promise<void> {
    const { hints, versions } = this.parts;
    const inference = await this.infer(sample, SAMPLE_BYTES);
    versions.dialect = inference.dialect;
    const found = hints.first(inference.columns);
    if (found.length === 0) return;
    // What is wrong with one of the files is told by its load, which comes back with `follow`.
    await this.add(found, sample[0]?.path ?? '', []).catch((error: unknown) => {
      if (!(error instanceof BadFile)) throw error;
    });
  }

  /**
   * Changes the schema so that the file can be loaded. Raises the `BadFile` that says why it cannot, or `SchemaChanged`.
   * Resolves with a sentence for the log.
   */
  async follow(entry: SourceEntry, drift: Drift): Promise<string> {
    const { fit, hints, policy, versions } = this.parts;
    const { columns: inferred } = await this.infer([entry], Infinity);
    if (policy.stops && !versions.initial) throw this.stopped(entry.path, drift, inferred);
    const before = versions.newest;
    if (versions.initial || policy.adds) await this.add(hints.applied(inferred), entry.path, drift.unknown);
    if (policy.syncs) await this.sync(inferred, drift, entry.path);
    if (versions.newest === before) throw drift.fault ?? fit.lacks(entry.path, drift.unknown);
    const left = drift.unknown.filter((name) => !versions.knows(name));
    // Whatever the reader meets must be known now, or the file would be read again for ever.
    if (left.length > 0 && readingBy(policy, versions.initial).unknown === 'report') throw fit.lacks(entry.path, left);
    return `${entry.path} changed the schema: ${told(drift, versions.columns, inferred).join(', ')}.`;
  }

  /** A column that a file may lack only after the table has changed. Keys stay as they are: a file without them is a bad one. */
  relaxable(source: string): boolean {
    const { fit, policy, versions } = this.parts;
    const column = versions.columns.find((known) => known.source === source);
    if (!policy.syncs || column === undefined || versions.keys.includes(column.name)) return false;
    const found = fit.table?.column(column.name);
    return this.drops || (found?.notNull === true && !found.hasDefault);
  }

  private infer(entries: readonly SourceEntry[], bytes: number) {
    const { files, versions } = this.parts;
    return inferAll(files, entries, versions.dialectWith(files.given), bytes);
  }

  /** Under `fail`; what is wrong with a file and is no difference of its columns is the file's own fault. */
  private stopped(path: string, drift: Drift, inferred: readonly InferredColumn[]): LoadError {
    const differences = told(drift, this.parts.versions.columns, inferred);
    return differences.length === 0 && drift.fault !== null ? drift.fault : new SchemaChanged(path, differences);
  }

  /** A drop commits by itself: not while the table as a whole is still to be refused or rebuilt, and other files may have the column. */
  private get drops(): boolean {
    return this.parts.order.schema.drop_removed && !this.parts.atOnce;
  }

  /** Adds the columns not known yet, and the nested fields that are new, and keeps all as the next version. */
  private async add(inferred: readonly InferredColumn[], file: string, unknown: readonly string[]): Promise<void> {
    const { fit, versions } = this.parts;
    const nested = this.addFields(inferred, unknown);
    const known = new Set(versions.columns.map(({ source }) => source));
    const fresh = this.named(inferred.filter(({ source }) => !known.has(source)));
    const added = await fit.settle(versions.columns, fresh, file);
    versions.columns = [...versions.columns, ...added];
    const changes = added.map(({ name, type }): SchemaChange => ({ kind: 'added', column: name, type }));
    if (changes.length + nested.length > 0) await versions.keep([...changes, ...nested], file);
  }

  private addFields(inferred: readonly InferredColumn[], unknown: readonly string[]): SchemaChange[] {
    const { versions } = this.parts;
    const changes: SchemaChange[] = [];
    versions.columns = versions.columns.map((column) => {
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
    const { fit, hints, policy, versions } = this.parts;
    const taken = new Set(versions.columns.map(({ name }) => name));
    return inferred.map((column) => {
      const name = hints.nameFor(column.source, taken, fit.table);
      taken.add(name);
      const locked = hints.locks(column.source);
      const fields = policy.unknown === 'report' ? watchedFields(column) : {};
      const asked = hints.asked(column.source, column.type);
      return { source: column.source, name, type: column.type, locked, asked, ...fields };
    });
  }

  private async sync(inferred: readonly InferredColumn[], drift: Drift, file: string): Promise<void> {
    const { fit, versions } = this.parts;
    const found = new Set(inferred.map(({ source }) => source));
    const vanished = versions.columns.filter(
      ({ source }) => drift.missing.includes(source) && !found.has(source) && this.relaxable(source),
    );
    const unfit = drift.unfit.filter((source) => !versions.renewal.has(source));
    const steps = [...widenings(versions.columns, inferred, unfit), ...relaxations(vanished, this.drops)];
    if (steps.length === 0) return;
    await fit.alter(
      file,
      steps.map(({ change }) => change),
    );
    const dropped = new Set(steps.flatMap(({ told }) => (told.kind === 'removed' ? told.column : [])));
    versions.columns = versions.columns
      .filter(({ name }) => !dropped.has(name))
      .flatMap((column) => fit.fitted(column) ?? []);
    await versions.keep(
      steps.map(({ told }) => told),
      file,
    );
  }
}

function unwatched(column: KnownColumn): KnownColumn {
  const copy = { ...column };
  delete copy.fields;
  return copy;
}
