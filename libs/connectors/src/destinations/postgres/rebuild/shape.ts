import { type Client, escapeIdentifier } from 'pg';
import type { Retyping, TableName } from '../../destination';
import { asDefinitionError } from '../pg-errors';
import { nameOf } from '../sql';

/** $1: the old table. */
const TRAITS = `
SELECT relpersistence = 'u' AS unlogged, (SELECT amname FROM pg_am WHERE oid = relam) AS method, pg_get_userbyid(relowner) AS owner,
  coalesce((SELECT spcname FROM pg_tablespace WHERE oid = reltablespace), '') AS tablespace
FROM pg_class WHERE oid = $1`;

/** Statements for what LIKE leaves out and counts while rows are loaded. $1: the old table, $2: the quoted name of the new one. */
const FURTHER = `
SELECT format('ALTER TABLE %s SET (%s)', $2::text, string_agg(format('%s%I = %L', prefix, option_name, option_value), ', ')) AS statement
FROM (
  SELECT '' AS prefix, o.* FROM pg_class c, pg_options_to_table(c.reloptions) o WHERE c.oid = $1
  UNION ALL SELECT 'toast.', o.* FROM pg_class c JOIN pg_class toast ON toast.oid = c.reltoastrelid, pg_options_to_table(toast.reloptions) o WHERE c.oid = $1
) options HAVING count(*) > 0
UNION ALL
SELECT format('ALTER TABLE %s ALTER COLUMN %I SET STATISTICS %s', $2, attname, attstattarget)
FROM pg_attribute WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped AND attstattarget >= 0
UNION ALL
SELECT format('ALTER TABLE %s ALTER COLUMN %I SET (%s)', $2, attname, (SELECT string_agg(format('%I = %L', option_name, option_value), ', ') FROM pg_options_to_table(attoptions)))
FROM pg_attribute WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped AND attoptions IS NOT NULL
UNION ALL
SELECT format('SELECT setval(pg_get_serial_sequence(%L, %L), last_value, is_called) FROM %s', $2, attname, d.objid::regclass)
  FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S' JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
  WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1 AND d.deptype = 'i'`;

interface Traits {
  unlogged: boolean;
  method: string;
  owner: string;
  tablespace: string;
}

/**
 * Makes an empty table like the old one, without its indexes: types, NOT NULL, defaults, CHECKs, generated and identity columns (their sequences
 * go on where the old ones stand), storage, comments of columns, options, owner.
 */
export async function createAlike(
  client: Client,
  old: { name: TableName; oid: number },
  fresh: TableName,
): Promise<void> {
  const traits = (await client.query<Traits>(TRAITS, [old.oid])).rows[0] as Traits;
  await client.query(`SELECT set_config('default_tablespace', $1, true)`, [traits.tablespace]);
  await client.query(createSql(old.name, fresh, traits));
  await client.query("SET LOCAL default_tablespace = ''");
  await client.query(`ALTER TABLE ${nameOf(fresh)} OWNER TO ${escapeIdentifier(traits.owner)}`);
  const { rows } = await client.query<{ statement: string }>(FURTHER, [old.oid, nameOf(fresh)]);
  for (const { statement } of rows) await client.query(statement);
}

/** Of the new table, which is empty: no value is cast. Raises `DestinationError` with what stands in the way (a default, a generated column, ...). */
export async function retype(
  client: Client,
  { name, fresh }: { name: TableName; fresh: TableName },
  retypings: readonly Retyping[],
): Promise<void> {
  if (retypings.length === 0) return;
  const parts = retypings.map(({ column, type }) => {
    return `ALTER COLUMN ${escapeIdentifier(column)} TYPE ${type} USING NULL::${type}`;
  });
  await client.query(`ALTER TABLE ${nameOf(fresh)} ${parts.join(', ')}`).catch((error: unknown) => {
    throw asDefinitionError(error, `The table ${nameOf(name)} cannot be built anew with other types`);
  });
}

function createSql(old: TableName, fresh: TableName, { unlogged, method }: Traits): string {
  const parts = ['DEFAULTS', 'CONSTRAINTS', 'GENERATED', 'IDENTITY', 'STORAGE', 'COMPRESSION', 'COMMENTS'];
  const like = `LIKE ${nameOf(old)} ${parts.map((part) => `INCLUDING ${part}`).join(' ')}`;
  return `CREATE ${unlogged ? 'UNLOGGED ' : ''}TABLE ${nameOf(fresh)} (${like}) USING ${escapeIdentifier(method)}`;
}
