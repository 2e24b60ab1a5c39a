import { escapeIdentifier, escapeLiteral } from 'pg';
import { LOAD_ID, RESCUED } from '../../column';
import type { TableName } from '../destination';

/** Statements built from names; values are always bound. */

export function nameOf({ schema, table }: TableName): string {
  return `${escapeIdentifier(schema)}.${escapeIdentifier(table)}`;
}

export function list(names: readonly string[], prefix = ''): string {
  return names.map((name) => `${prefix}${escapeIdentifier(name)}`).join(', ');
}

/**
 * Looks first: `CREATE SCHEMA IF NOT EXISTS` wants the right to create schemas even where there is nothing to create. Of several that come at once it
 * fails for all but one, so they wait for each other until the end of the transaction, and look again: in the table, since the name cache is of before.
 */
export function createSchemaSql({ schema }: TableName): string {
  const missing = `NOT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = ${escapeLiteral(schema)})`;
  const inTurn = `PERFORM ${advisoryLock(`sluice schema ${escapeIdentifier(schema)}`)}`;
  const create = `IF ${missing} THEN EXECUTE ${escapeLiteral(`CREATE SCHEMA ${escapeIdentifier(schema)}`)}; END IF`;
  return `DO ${escapeLiteral(`BEGIN IF ${missing} THEN ${inTurn}; ${create}; END IF; END`)}`;
}

/** A table as Sluice makes it, without its unique index. */
export function createTableSql(
  table: TableName,
  columns: readonly { name: string; type: string }[],
  { keys, rescued }: { keys: readonly string[]; rescued: boolean },
): string {
  const lines = columns.map(({ name, type }) => {
    return `${escapeIdentifier(name)} ${type}${keys.includes(name) ? ' NOT NULL' : ''}`;
  });
  if (rescued) lines.push(`${RESCUED} jsonb`);
  lines.push(`${LOAD_ID} bigint NOT NULL`);
  return `CREATE TABLE ${nameOf(table)} (\n  ${lines.join(',\n  ')}\n)`;
}

export function uniqueIndexSql(table: TableName, keys: readonly string[]): string {
  return `CREATE UNIQUE INDEX ON ${nameOf(table)} (${list(keys)})`;
}

/** The server's own lock on what Sluice does to one table, until the end of the transaction. */
export function tableLockSql(table: TableName, purpose: 'definition' | 'merge'): string {
  return `SELECT ${advisoryLock(`sluice ${purpose} ${nameOf(table)}`)}`;
}

function advisoryLock(name: string): string {
  return `pg_advisory_xact_lock(hashtextextended(${escapeLiteral(name)}, 0))`;
}
