import type { Client } from 'pg';
import type { TableName } from '../destination';
import { nameOf } from './sql';

const CLAIM = `
INSERT INTO sluice.own_table (relation, row_type, schema_name, table_name)
SELECT c.oid, c.reltype, n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass($1)
ON CONFLICT (relation) DO UPDATE SET row_type = excluded.row_type, schema_name = excluded.schema_name, table_name = excluded.table_name`;

/** Remembers that the table of this name, just made, is ours; what is remembered of the name or its number before is of a table long gone. */
export async function claimTable(client: Client, table: TableName): Promise<void> {
  await disclaimTable(client, table);
  await client.query(CLAIM, [nameOf(table)]);
}

export async function disclaimTable(client: Client, table: TableName): Promise<void> {
  const statement = 'DELETE FROM sluice.own_table WHERE (schema_name, table_name) = ($1, $2)';
  await client.query(statement, [table.schema, table.table]);
}
