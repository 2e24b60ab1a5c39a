import { type Client, DatabaseError, escapeIdentifier } from 'pg';
import type { ColumnType } from '../../column';
import { DestinationError } from '../../errors';
import { widened } from '../../schema/widening';
import type { TableChange, TableName } from '../destination';
import { claimTable } from './own-tables';
import { createSchemaSql, createTableSql, nameOf, tableLockSql, uniqueIndexSql } from './sql';
import { asDefinitionError } from './pg-errors';
import { columnsOf, isKeyOf, tableInfo } from './table-info';
import { transaction } from './connect';

export interface NewTable {
  columns: readonly { name: string; type: ColumnType }[];
  keys: readonly string[];
  rescued: boolean;
}

/** Makes the table as ours, or leaves the one there is; either has a unique index on the keys then, or is not ours. */
export async function createTable(client: Client, table: TableName, { columns, ...options }: NewTable): Promise<void> {
  await define(client, table, async () => {
    await client.query(createSchemaSql(table));
    if ((await tableInfo(client, table)) === null) await makeTable(client, table, { columns, ...options });
    await addMissingKey(client, table, options.keys);
  });
}

export async function makeTable(client: Client, table: TableName, { columns, ...options }: NewTable): Promise<void> {
  await client.query(createTableSql(table, columns, options));
  await claimTable(client, table);
}

/**
 * A merge needs a unique index on exactly its keys. A table of ours gets it; of another one its owner decides:
 * raises `DestinationError` (`schema_mismatch`) with the statement to run.
 */
export async function ensureKey(client: Client, table: TableName, keys: readonly string[]): Promise<void> {
  if (await lacksKey(client, table, keys)) await define(client, table, () => addMissingKey(client, table, keys));
}

/** Whether a table of ours has no such index; raises like `ensureKey` of another one. */
export async function lacksKey(client: Client, table: TableName, keys: readonly string[]): Promise<boolean> {
  const info = keys.length === 0 ? null : await tableInfo(client, table);
  if (info === null || isKeyOf(info.uniqueKeys, keys)) return false;
  if (info.ours) return true;
  const message = `The table ${nameOf(table)} has no unique index on the merge keys (${keys.join(', ')}). Make one with: ${uniqueIndexSql(table, keys)}.`;
  throw new DestinationError('schema_mismatch', message, 'never');
}

async function addMissingKey(client: Client, table: TableName, keys: readonly string[]): Promise<void> {
  if (keys.length === 0) return;
  const info = await tableInfo(client, table);
  if (info?.ours === true && !isKeyOf(info.uniqueKeys, keys)) await client.query(uniqueIndexSql(table, keys));
}

/** What has been done already, perhaps by another ingestion, is passed over; a column is never narrowed. */
export async function alterTable(client: Client, table: TableName, changes: readonly TableChange[]): Promise<void> {
  await define(client, table, async () => {
    const columns = await columnsOf(client, table);
    const parts = changes.flatMap((change) => {
      const column = columns.find(({ name }) => name === change.column);
      return alteration(change, column?.encodes ?? null) ?? [];
    });
    if (parts.length > 0) await client.query(`ALTER TABLE ${nameOf(table)} ${parts.join(', ')}`);
  });
}

/** `before`: the type the column has now. */
function alteration(change: TableChange, before: ColumnType | null): string | null {
  const column = escapeIdentifier(change.column);
  if (change.kind === 'add') return `ADD COLUMN IF NOT EXISTS ${column} ${change.type}`;
  if (change.kind === 'nullable') return `ALTER COLUMN ${column} DROP NOT NULL`;
  if (change.kind === 'drop') return `DROP COLUMN IF EXISTS ${column}`;
  const type = before === null ? change.type : widened(before, change.type);
  return type === before ? null : `ALTER COLUMN ${column} TYPE ${type} USING ${exactly(column, before, type)}`;
}

/**
 * The same values as another type. Casting a floating-point number to `numeric` rounds it to 15 digits; its shortest text does not. All other texts
 * are as the connection's settings make them: ISO 8601, times with a zone in UTC.
 */
function exactly(column: string, before: ColumnType | null, type: ColumnType): string {
  const floating = before === 'real' || before === 'double precision';
  return floating && type === 'numeric' ? `${column}::text::numeric` : `${column}::${type}`;
}

/** Definitions commit by themselves and give up soon, so that no reader of the table waits behind them for long. */
async function define(client: Client, table: TableName, work: () => Promise<void>): Promise<void> {
  try {
    await transaction(client, async () => {
      await client.query("SET LOCAL lock_timeout = '10s'");
      await client.query(tableLockSql(table, 'definition'));
      await work();
    });
  } catch (error) {
    throw error instanceof DatabaseError ? asDefinitionError(error, `The table ${nameOf(table)}`) : error;
  }
}
