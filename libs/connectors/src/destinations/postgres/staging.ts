import { escapeIdentifier } from 'pg';
import { LOAD_ID, type LoadColumn, RESCUED } from '../../column';
import type { WriteOrder } from '../destination';
import { list, nameOf } from './sql';

/**
 * Temporary tables that rows pass through, gone with the transaction. `raw` takes texts that only the server can cast; `staging` takes rows to be
 * merged, in the table's own types. The names of their own columns cannot be those of a file's: they hold a space.
 */
export const RAW = 'pg_temp.sluice_raw';
export const STAGING = 'pg_temp.sluice_staging';
/** Which record of its file a row was. */
export const ROW = escapeIdentifier('sluice row');
/** Which COPY of its file brought a row, from 0. */
export const PART = escapeIdentifier('sluice part');

export function needsRaw({ columns }: Pick<WriteOrder, 'columns'>): boolean {
  return columns.some(({ cast }) => cast !== undefined);
}

/** Where the rows of a COPY end up: in the table, or, to be merged, in `staging`. */
export function restingPlace(order: Pick<WriteOrder, 'table' | 'keys'>): string {
  return order.keys.length > 0 ? STAGING : nameOf(order.table);
}

export function isNumbered(order: Pick<WriteOrder, 'keys' | 'columns'>): boolean {
  return order.keys.length > 0 || needsRaw(order);
}

/** Both are made as the table's columns are: type, modifier and collation. */
export function createStagingSql(order: WriteOrder): string {
  const tail = [...(order.rescued ? [RESCUED] : []), LOAD_ID];
  const own = `${list(tail)}, NULL::bigint AS ${ROW}`;
  const from = `FROM ${nameOf(order.table)} WITH NO DATA`;
  const raw = order.columns.map(({ name, cast }) =>
    cast === undefined ? escapeIdentifier(name) : `NULL::text AS ${escapeIdentifier(name)}`,
  );
  const statements: string[] = [];
  if (needsRaw(order))
    statements.push(
      `CREATE TEMPORARY TABLE IF NOT EXISTS sluice_raw ON COMMIT DROP AS SELECT ${[...raw, own].join(', ')} ${from}`,
    );
  if (order.keys.length > 0) {
    const names = order.columns.map(({ name }) => escapeIdentifier(name));
    const required = [...order.keys.map((key) => escapeIdentifier(key)), ROW];
    statements.push(
      `CREATE TEMPORARY TABLE IF NOT EXISTS sluice_staging ON COMMIT DROP AS SELECT ${[...names, own, `0 AS ${PART}`].join(', ')} ${from}`,
      `ALTER TABLE ${STAGING} ALTER COLUMN ${PART} SET DEFAULT 0, ${required.map((name) => `ALTER COLUMN ${name} SET NOT NULL`).join(', ')}`,
    );
  }
  return statements.join('; ');
}

/** Rows of `staging` that come from now on are of this part of their file. */
export function partSql(part: number): string {
  return `ALTER TABLE ${STAGING} ALTER COLUMN ${PART} SET DEFAULT ${part}`;
}

export function copySql(order: WriteOrder, columns: readonly LoadColumn[]): string {
  const names = [...columns.map(({ name }) => name), ...(order.rescued ? [RESCUED] : []), LOAD_ID];
  const target = needsRaw(order) ? RAW : restingPlace(order);
  const row = isNumbered(order) ? `, ${ROW}` : '';
  return `COPY ${target} (${list(names)}${row}) FROM STDIN (FORMAT binary)`;
}
