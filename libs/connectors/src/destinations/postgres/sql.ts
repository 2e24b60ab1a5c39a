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

/** `CREATE SCHEMA IF NOT EXISTS` wants the right to create schemas even where there is nothing to create. */
export function createSchemaSql({ schema }: TableName): string {
  const create = `CREATE SCHEMA IF NOT EXISTS ${escapeIdentifier(schema)}`;
  const missing = `to_regnamespace(${escapeLiteral(escapeIdentifier(schema))}) IS NULL`;
  return `DO ${escapeLiteral(`BEGIN IF ${missing} THEN EXECUTE ${escapeLiteral(create)}; END IF; END`)}`;
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
  return `SELECT pg_advisory_xact_lock(hashtextextended(${escapeLiteral(`sluice ${purpose} ${nameOf(table)}`)}, 0))`;
}
