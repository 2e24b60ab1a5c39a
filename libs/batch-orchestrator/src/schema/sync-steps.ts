import type { InferredColumn, TableChange } from '@sluice/connectors';
import type { SchemaChange } from '@sluice/ingestion';
import { type KnownColumn, widerType } from './differences';

/** One change of the table, and how the schema version tells it. */
export interface SyncStep {
  change: TableChange;
  told: SchemaChange;
}

/** Columns whose type must become a wider one for the values of a file; `unfit` are source names. */
export function widenings(
  columns: readonly KnownColumn[],
  inferred: readonly InferredColumn[],
  unfit: readonly string[],
): SyncStep[] {
  return unfit.flatMap((source) => {
    const column = columns.find((known) => known.source === source);
    const seen = inferred.find((each) => each.source === source);
    const type = column && seen ? widerType(column, seen) : null;
    if (column === undefined || type === null) return [];
    const { name, type: before } = column;
    return { change: { kind: 'widen', column: name, type }, told: { kind: 'widened', column: name, type, before } };
  });
}

/** Columns that a file no longer has: dropped, if the person wants that, else only free of their NOT NULL. */
export function relaxations(vanished: readonly KnownColumn[], drop: boolean): SyncStep[] {
  return vanished.map(({ name, type }) =>
    drop
      ? { change: { kind: 'drop', column: name }, told: { kind: 'removed', column: name, type } }
      : { change: { kind: 'nullable', column: name }, told: { kind: 'nullable', column: name, type } },
  );
}
