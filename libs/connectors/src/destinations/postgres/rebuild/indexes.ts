import { type Client, escapeIdentifier } from 'pg';
import { RowRefused, type TableName } from '../../destination';
import { asDefinitionError, refusedRow } from '../pg-errors';
import { nameOf } from '../sql';

/**
 * What the definition of an index says after its name and table, or that of the constraint behind it. The server writes both the same way always
 * (ruleutils.c, pg_get_indexdef), so the beginning is made again and cut off by its length. $1: the old table.
 */
const INDEXES = `
SELECT i.relname AS name, con.conname AS "constraint", coalesce((SELECT spcname FROM pg_tablespace WHERE oid = i.reltablespace), '') AS tablespace,
  CASE WHEN con.oid IS NOT NULL THEN pg_get_constraintdef(con.oid)
    ELSE substr(pg_get_indexdef(i.oid), length(format('CREATE %sINDEX %I ON %I.%I ', CASE WHEN indisunique THEN 'UNIQUE ' ELSE '' END, i.relname, n.nspname, t.relname)) + 1) END AS definition,
  indisunique AS "unique", indisclustered AS clustered, indisreplident AS identifies,
  CASE WHEN con.oid IS NOT NULL THEN (SELECT string_agg(format('%I = %L', option_name, option_value), ', ') FROM pg_options_to_table(i.reloptions)) END AS options,
  obj_description(i.oid, 'pg_class') AS comment, obj_description(con.oid, 'pg_constraint') AS "constraintComment"
FROM pg_index x JOIN pg_class i ON i.oid = indexrelid JOIN pg_class t ON t.oid = indrelid JOIN pg_namespace n ON n.oid = t.relnamespace
LEFT JOIN pg_constraint con ON conindid = i.oid AND conrelid = t.oid AND contype IN ('p', 'u', 'x')
WHERE indrelid = $1 AND indisvalid ORDER BY i.oid`;

export interface CarriedIndex {
  name: string;
  constraint: string | null;
  tablespace: string;
  definition: string;
  unique: boolean;
  clustered: boolean;
  identifies: boolean;
  options: string | null;
  comment: string | null;
  constraintComment: string | null;
}

/** The index on the new table and the name it has there until the old one is gone. */
export interface BuiltIndex extends CarriedIndex {
  temporary: string;
}

/** Builds on the new table what indexes and constraints with an index the old one has. Raises `RowRefused` when its rows break one. */
export async function buildIndexes(client: Client, oldOid: number, fresh: TableName): Promise<BuiltIndex[]> {
  const { rows } = await client.query<CarriedIndex>(INDEXES, [oldOid]);
  const built = rows.map((index, n) => ({ ...index, temporary: `${fresh.table}_${n + 1}` }));
  for (const index of built) await build(client, index, fresh);
  await client.query("SET LOCAL default_tablespace = ''");
  return built;
}

async function build(client: Client, index: BuiltIndex, fresh: TableName): Promise<void> {
  const name = escapeIdentifier(index.temporary);
  await client.query(`SELECT set_config('default_tablespace', $1, true)`, [index.tablespace]);
  try {
    if (index.constraint !== null)
      await client.query(`ALTER TABLE ${nameOf(fresh)} ADD CONSTRAINT ${name} ${index.definition}`);
    else
      await client.query(
        `CREATE ${index.unique ? 'UNIQUE ' : ''}INDEX ${name} ON ${nameOf(fresh)} ${index.definition}`,
      );
  } catch (error) {
    throw refusedBy(index, error);
  }
  if (index.options !== null)
    await client.query(`ALTER INDEX ${escapeIdentifier(fresh.schema)}.${name} SET (${index.options})`);
}

function refusedBy(index: CarriedIndex, error: unknown): Error {
  const refused = refusedRow(error);
  if (refused === null) return asDefinitionError(error, `The index ${index.name} cannot be built on the new table`);
  return new RowRefused(null, null, refused.message.replaceAll(/sluice_\w+/g, index.name), { cause: error });
}
