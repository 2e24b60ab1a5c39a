import type { Client } from 'pg';
import { DestinationError } from '../../../errors';
import type { Retyping, TableName } from '../../destination';
import { nameOf } from '../sql';

/** All that is said of the table $1 (its oid) and hinders another one, with other types of the columns $2, from taking its place. */
const OBSTACLES = `
WITH t AS (SELECT c.*, pg_get_userbyid(relowner) AS owner_name FROM pg_class c WHERE oid = $1),
views AS (
  SELECT v.* FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid AND d.classid = 'pg_rewrite'::regclass AND rulename = '_RETURN' JOIN pg_class v ON v.oid = r.ev_class
  WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = $1 AND v.relkind = 'v' AND pg_has_role(v.relowner, 'USAGE')
),
retyped AS (SELECT attnum, attname FROM pg_attribute WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped AND attname = ANY ($2::name[])),
said (what) AS (
  SELECT 'its being partitioned, a foreign table or the like' FROM t WHERE relkind <> 'r'
  UNION ALL SELECT 'its being a typed table' FROM t WHERE reloftype <> 0
  UNION ALL SELECT format('its owner %I', owner_name) FROM t WHERE NOT pg_has_role(relowner, 'USAGE')
  UNION ALL SELECT format('inheritance or partition %s', CASE WHEN inhrelid = $1 THEN inhparent ELSE inhrelid END::regclass) FROM pg_inherits WHERE $1 IN (inhrelid, inhparent)
  UNION ALL SELECT format('trigger %I', tgname) FROM pg_trigger WHERE tgrelid = $1 AND NOT tgisinternal
  UNION ALL SELECT format('foreign key %I of %s', conname, conrelid::regclass) FROM pg_constraint WHERE contype = 'f' AND $1 IN (conrelid, confrelid) AND conparentid = 0
  UNION ALL SELECT 'row level security' FROM t WHERE relrowsecurity
  UNION ALL SELECT format('policy %I', polname) FROM pg_policy WHERE polrelid = $1
  UNION ALL SELECT format('rule %I', rulename) FROM pg_rewrite WHERE ev_class = $1
  UNION ALL SELECT format('publication %I', pubname) FROM t JOIN pg_namespace n ON n.oid = relnamespace JOIN pg_publication_tables ON (schemaname, tablename) = (nspname, relname)
  UNION ALL SELECT 'a subscription' FROM pg_subscription_rel WHERE srrelid = $1
  UNION ALL SELECT 'a security label' FROM pg_seclabel WHERE objoid = $1 AND classoid = 'pg_class'::regclass
  UNION ALL SELECT format('extension %I', extname) FROM pg_depend d JOIN pg_extension e ON e.oid = refobjid
    WHERE d.classid = 'pg_class'::regclass AND objid = $1 AND refclassid = 'pg_extension'::regclass
  UNION ALL SELECT coalesce((SELECT format('%s %s', CASE relkind WHEN 'm' THEN 'materialized view' ELSE 'view' END, v.oid::regclass)
        FROM pg_rewrite r JOIN pg_class v ON v.oid = r.ev_class WHERE d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid AND rulename = '_RETURN'),
      pg_describe_object(d.classid, d.objid, d.objsubid))
    FROM pg_depend d, t WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = $1
    AND d.classid NOT IN ('pg_attrdef'::regclass, 'pg_statistic_ext'::regclass, 'pg_trigger'::regclass, 'pg_policy'::regclass, 'pg_publication_rel'::regclass)
    AND NOT (d.classid = 'pg_type'::regclass AND d.deptype = 'i')
    AND NOT (d.classid = 'pg_class'::regclass AND (SELECT relkind IN ('i', 'S', 't') OR EXISTS (SELECT FROM pg_inherits WHERE inhrelid = d.objid AND inhparent = $1) FROM pg_class WHERE oid = d.objid))
    AND NOT (d.classid = 'pg_constraint'::regclass AND (SELECT contype = 'f' OR conrelid = $1 FROM pg_constraint WHERE oid = d.objid))
    AND NOT (d.classid = 'pg_rewrite'::regclass AND (SELECT ev_class = $1 OR (rulename = '_RETURN' AND ev_class IN (SELECT oid FROM views)) FROM pg_rewrite WHERE oid = d.objid))
  UNION ALL SELECT pg_describe_object(d.classid, d.objid, d.objsubid) FROM t JOIN pg_type y ON y.oid = t.reltype JOIN pg_depend d
    ON d.refclassid = 'pg_type'::regclass AND d.refobjid IN (y.oid, y.typarray) AND d.deptype <> 'i'
  UNION ALL SELECT format('view %s, for it reads the column %I, whose type changes', ev_class::regclass, attname)
    FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid AND d.classid = 'pg_rewrite'::regclass JOIN retyped ON attnum = d.refobjsubid
    WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = $1
  UNION ALL SELECT format('constraint %I of the column %I, whose type changes', conname, attname)
    FROM pg_constraint JOIN retyped ON attnum = ANY (conkey) WHERE conrelid = $1 AND contype = 'c'
  UNION ALL SELECT format('index %s on an expression of the column %I, whose type changes', indexrelid::regclass, attname)
    FROM pg_depend d JOIN pg_index x ON d.classid = 'pg_class'::regclass AND indexrelid = d.objid JOIN retyped ON attnum = d.refobjsubid
    WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = $1 AND (indexprs IS NOT NULL OR indpred IS NOT NULL)
)
SELECT DISTINCT what FROM said ORDER BY what`;

/** Raises `DestinationError` (`schema_mismatch`) naming what would not survive that another table takes the place of this one. */
export async function refuseObstacles(
  client: Client,
  table: TableName,
  oid: number,
  retypings: readonly Retyping[],
): Promise<void> {
  const { rows } = await client.query<{ what: string }>(OBSTACLES, [oid, retypings.map(({ column }) => column)]);
  if (rows.length === 0) return;
  const message = `The table ${nameOf(table)} cannot be built anew, for this would be lost or broken: ${rows.map(({ what }) => what).join(', ')}. Remove it, or write to another table.`;
  throw new DestinationError('schema_mismatch', message, 'never');
}
