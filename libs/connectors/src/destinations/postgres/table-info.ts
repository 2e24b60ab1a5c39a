import type { Client } from 'pg';
import { type ColumnType, type LoadColumn } from '../../column';
import { TEXT_ENCODERS } from '../../copy/text-values';
import { DestinationError } from '../../errors';
import type { TableColumn, TableInfo, TableName } from '../destination';
import { nameOf } from './sql';

const ENCODED: ReadonlySet<string> = new Set([...Object.keys(TEXT_ENCODERS), 'time without time zone', 'bytea']);
/** Their binary form is their text. Not so xml: it would be read in the encoding that the document names. */
const TEXT_LIKE: ReadonlySet<string> = new Set(['citext', 'name']);

/** $1: the quoted name. No row: there is no such thing. */
const RELATION = `
SELECT c.oid, c.relkind AS kind, o.relation IS NOT NULL AS ours FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN sluice.own_table o ON (o.relation, o.row_type, o.schema_name, o.table_name) = (c.oid, c.reltype, n.nspname, c.relname)
WHERE c.oid = to_regclass($1)`;

/** A domain stands for its base type, with the modifier and NOT NULL of whichever domain on the way there has one. */
const COLUMNS = `
WITH RECURSIVE base AS (
  SELECT attnum, atttypid AS type, atttypmod AS modifier, attnotnull AS not_null, atthasdef AS has_default
  FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped
  UNION ALL
  SELECT attnum, typbasetype, CASE WHEN typtypmod = -1 THEN modifier ELSE typtypmod END, not_null OR typnotnull, has_default OR typdefault IS NOT NULL
  FROM base JOIN pg_type t ON t.oid = type AND typtype = 'd'
)
SELECT attname AS name, format_type(atttypid, NULL) AS type, modifier, not_null AS "notNull",
  has_default OR attidentity <> '' AS "hasDefault", attgenerated <> '' OR attidentity = 'a' AS generated,
  format_type(t.oid, NULL) AS base, t.typtype = 'e' AS enumerated, t.typname AS base_name
FROM base JOIN pg_attribute a USING (attnum) JOIN pg_type t ON t.oid = base.type
WHERE attrelid = to_regclass($1) AND typtype <> 'd' ORDER BY attnum`;

const UNIQUE_KEYS = `
SELECT array(SELECT attname::text FROM unnest(indkey[0:indnkeyatts - 1]) WITH ORDINALITY AS k (attnum, place)
    JOIN pg_attribute a ON a.attrelid = indrelid AND a.attnum = k.attnum ORDER BY place) AS key
FROM pg_index WHERE indrelid = to_regclass($1)
  AND indisunique AND indisvalid AND indimmediate AND indpred IS NULL AND indexprs IS NULL ORDER BY indexrelid`;

interface ColumnRow extends Omit<TableColumn, 'encodes'> {
  base: string;
  base_name: string;
  enumerated: boolean;
}

/** Raises `DestinationError` when the name belongs to something that rows cannot be loaded into. */
export async function tableInfo(client: Client, table: TableName): Promise<TableInfo | null> {
  const relation = await relationOf(client, table);
  if (relation === null) return null;
  if (!['r', 'p', 'f'].includes(relation.kind)) throw noTable(table);
  const keys = await client.query<{ key: string[] }>(UNIQUE_KEYS, [nameOf(table)]);
  return {
    columns: await columnsOf(client, table),
    ours: relation.ours,
    uniqueKeys: keys.rows.map(({ key }) => key),
  };
}

export interface Relation {
  oid: number;
  /** `pg_class.relkind`. */
  kind: string;
  ours: boolean;
}

export async function relationOf(client: Client, table: TableName): Promise<Relation | null> {
  return (await client.query<Relation>(RELATION, [nameOf(table)])).rows[0] ?? null;
}

/** None when there is no such table. */
export async function columnsOf(client: Client, table: TableName): Promise<TableColumn[]> {
  const { rows } = await client.query<ColumnRow>(COLUMNS, [nameOf(table)]);
  return rows.map(({ base, base_name, enumerated, ...column }) => ({
    ...column,
    encodes: enumerated || TEXT_LIKE.has(base_name) ? 'text' : ENCODED.has(base) ? (base as ColumnType) : null,
  }));
}

/** Whether the rows written for `column` are what the table's column takes, to the modifier: a scale rounds and a length cuts without a word. */
export function takes(inTable: TableColumn | undefined, column: LoadColumn): boolean {
  if (inTable === undefined || inTable.generated) return false;
  if (column.cast !== undefined) return inTable.encodes === null && inTable.type === column.cast;
  return inTable.encodes === column.type && inTable.modifier === (column.modifier ?? -1);
}

export function isKeyOf(uniqueKeys: readonly (readonly string[])[], keys: readonly string[]): boolean {
  return uniqueKeys.some((key) => key.length === keys.length && keys.every((name) => key.includes(name)));
}

function noTable(table: TableName): DestinationError {
  const message = `${nameOf(table)} is not a table but a view, a sequence or the like. Name a table, or rename what is there.`;
  return new DestinationError('schema_mismatch', message, 'never');
}
