import { type Client, escapeIdentifier, escapeLiteral } from 'pg';
import type { TableName } from '../../destination';
import { nameOf } from '../sql';
import type { BuiltIndex } from './indexes';

/** Statements to run once the new table has its name: before the old one is dropped, and after. Both name only what there is then. */
export interface CarryOver {
  before: string[];
  after: string[];
}

/** $1: the old table, $2: the quoted name. Views go on under their own identity: what depends on them does not notice. */
const VIEWS = `
SELECT DISTINCT v.oid, format('CREATE OR REPLACE VIEW %s%s AS %s', v.oid::regclass,
  (SELECT format(' WITH (%s)', string_agg(format('%I = %L', option_name, option_value), ', ')) FROM pg_options_to_table(v.reloptions) HAVING count(*) > 0),
  pg_get_viewdef(v.oid)) AS statement
FROM pg_depend d JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid JOIN pg_class v ON v.oid = r.ev_class
WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = $1 AND v.relkind = 'v' AND $2::text <> '' ORDER BY v.oid`;

const SEQUENCES = `
SELECT format('ALTER SEQUENCE %s OWNED BY %s.%I', s.oid::regclass, $2::text, attname) AS statement
FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S' JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1 AND d.deptype = 'a'`;

/** The rights are those of the old table alone, not what default privileges give a new one. $3: the new table. */
const GRANTS = `
WITH old AS (SELECT * FROM pg_class WHERE oid = $1), new AS (SELECT * FROM pg_class WHERE oid = $3)
SELECT 1 AS step, format('REVOKE ALL ON %s FROM %s', $2::text, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END) AS statement
FROM (SELECT grantee FROM new, aclexplode(new.relacl) WHERE grantee <> relowner UNION SELECT relowner FROM old WHERE relacl IS NOT NULL) AS given
UNION ALL
SELECT 2, format('GRANT %s ON %s TO %s%s', privilege_type, $2, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
  CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) FROM old, aclexplode(relacl)
UNION ALL
SELECT 2, format('GRANT %s (%I) ON %s TO %s%s', privilege_type, attname, $2, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
  CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
FROM pg_attribute, aclexplode(attacl) WHERE attrelid = $1 AND NOT attisdropped
ORDER BY step`;

const COMMENT = `SELECT format('COMMENT ON TABLE %s IS %L', $2::text, obj_description($1, 'pg_class')) AS statement
WHERE obj_description($1, 'pg_class') IS NOT NULL`;

const IDENTITY_FULL = `SELECT format('ALTER TABLE %s REPLICA IDENTITY %s', $2::text, CASE relreplident WHEN 'f' THEN 'FULL' ELSE 'NOTHING' END) AS statement
FROM pg_class WHERE oid = $1 AND relreplident IN ('f', 'n')`;

const STATISTICS = `
SELECT unnest(ARRAY[pg_get_statisticsobjdef(s.oid), format('ALTER STATISTICS %I.%I OWNER TO %I', nspname, stxname, pg_get_userbyid(stxowner)),
  format('COMMENT ON STATISTICS %I.%I IS %L', nspname, stxname, obj_description(s.oid, 'pg_statistic_ext'))]) AS statement
FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = stxnamespace WHERE stxrelid = $1 AND $2::text <> ''`;

/** The sequence behind an identity column takes the name of the one that went. */
const IDENTITY_NAMES = `
SELECT format('ALTER SEQUENCE %s RENAME TO %I', n.objid::regclass, s.relname) AS statement
FROM pg_depend o JOIN pg_class s ON s.oid = o.objid AND s.relkind = 'S' JOIN pg_attribute a ON a.attrelid = $1 AND a.attnum = o.refobjsubid
JOIN pg_attribute b ON b.attrelid = $3 AND b.attname = a.attname JOIN pg_depend n ON n.refobjid = $3 AND n.refobjsubid = b.attnum AND n.deptype = 'i'
  AND n.classid = 'pg_class'::regclass AND n.refclassid = 'pg_class'::regclass
WHERE o.classid = 'pg_class'::regclass AND o.refclassid = 'pg_class'::regclass AND o.refobjid = $1 AND o.deptype = 'i' AND $2::text <> ''`;

/** Reads from the old table, under its lock, all that is still to be carried over. */
export async function readCarryOver(
  client: Client,
  tables: { old: number; fresh: number; name: TableName },
  indexes: readonly BuiltIndex[],
): Promise<CarryOver> {
  const values = [tables.old, nameOf(tables.name)];
  const read = async (query: string) => {
    const given = query.includes('$3') ? [...values, tables.fresh] : values;
    return (await client.query<{ statement: string | null }>(query, given)).rows.flatMap(
      ({ statement }) => statement ?? [],
    );
  };
  return {
    before: [...(await read(SEQUENCES)), ...(await read(VIEWS)), ...(await read(GRANTS)), ...(await read(COMMENT))],
    after: [
      ...indexes.flatMap((index) => indexStatements(index, tables.name)),
      ...(await read(IDENTITY_FULL)),
      ...(await read(IDENTITY_NAMES)),
      ...(await read(STATISTICS)),
    ],
  };
}

function indexStatements(index: BuiltIndex, table: TableName): string[] {
  const { name, constraint, temporary, comment, constraintComment } = index;
  const place = escapeIdentifier(table.schema);
  const whole = nameOf(table);
  const statements = [
    constraint === null
      ? `ALTER INDEX ${place}.${escapeIdentifier(temporary)} RENAME TO ${escapeIdentifier(name)}`
      : `ALTER TABLE ${whole} RENAME CONSTRAINT ${escapeIdentifier(temporary)} TO ${escapeIdentifier(constraint)}`,
  ];
  if (comment !== null)
    statements.push(`COMMENT ON INDEX ${place}.${escapeIdentifier(name)} IS ${escapeLiteral(comment)}`);
  if (constraint !== null && constraintComment !== null)
    statements.push(
      `COMMENT ON CONSTRAINT ${escapeIdentifier(constraint)} ON ${whole} IS ${escapeLiteral(constraintComment)}`,
    );
  if (index.clustered) statements.push(`ALTER TABLE ${whole} CLUSTER ON ${escapeIdentifier(name)}`);
  if (index.identifies) statements.push(`ALTER TABLE ${whole} REPLICA IDENTITY USING INDEX ${escapeIdentifier(name)}`);
  return statements;
}
