import { CONTROL_SCHEMA, MIGRATIONS_TABLE } from './options';
import { rowsOf, type SqlRunner } from './rows-of';

/** One line per column, constraint and index, as the catalog holds them. The table of migrations is not ours to describe. Not-null constraints are left out: servers from 18 on list them, older ones do not. */
const LINES = `
WITH relation AS (
  SELECT c.oid, c.relname FROM pg_class c WHERE c.relnamespace = $1::regnamespace AND c.relkind = 'r' AND c.relname <> $2
), line AS (
  SELECT r.relname, 1 AS part, a.attnum AS position, concat_ws(' ',
    '  ' || quote_ident(a.attname),
    format_type(a.atttypid, a.atttypmod),
    CASE WHEN a.attcollation <> t.typcollation THEN 'COLLATE ' || quote_ident(l.collname) END,
    CASE WHEN a.attnotnull THEN 'NOT NULL' END,
    'DEFAULT ' || pg_get_expr(d.adbin, d.adrelid)) AS text
  FROM relation r
  JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
  JOIN pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_collation l ON l.oid = a.attcollation
  LEFT JOIN pg_attrdef d ON d.adrelid = r.oid AND d.adnum = a.attnum
  UNION ALL
  SELECT r.relname, 2, row_number() OVER (PARTITION BY r.oid ORDER BY k.contype = 'p' DESC, k.conname COLLATE "C"),
    '  CONSTRAINT ' || quote_ident(k.conname) || ' ' || pg_get_constraintdef(k.oid)
  FROM relation r JOIN pg_constraint k ON k.conrelid = r.oid AND k.contype <> 'n'
  UNION ALL
  SELECT r.relname, 3, row_number() OVER (PARTITION BY r.oid ORDER BY i.relname COLLATE "C"), pg_get_indexdef(x.indexrelid) || ';'
  FROM relation r JOIN pg_index x ON x.indrelid = r.oid JOIN pg_class i ON i.oid = x.indexrelid
  WHERE NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = x.indexrelid AND k.contype IN ('p', 'u', 'x'))
)
SELECT relname, part, text FROM line ORDER BY relname COLLATE "C", part, position`;

interface Line {
  relname: string;
  part: 1 | 2 | 3;
  text: string;
}

/** The control schema as readable SQL, made from the catalog: the text of `schema.sql`. */
export async function describeSchema(runner: SqlRunner): Promise<string> {
  const lines = await rowsOf<Line>(runner, LINES, [CONTROL_SCHEMA, MIGRATIONS_TABLE]);
  const tables = [...new Set(lines.map((line) => line.relname))];
  const parts = tables.map((name) =>
    describeTable(
      name,
      lines.filter((line) => line.relname === name),
    ),
  );
  return ['-- Made from the catalog by tools/generate-schema.mjs; do not edit.', ...parts].join('\n\n') + '\n';
}

function describeTable(name: string, lines: Line[]): string {
  const body = lines.filter((line) => line.part < 3).map((line) => line.text);
  const indexes = lines.filter((line) => line.part === 3).map((line) => line.text);
  return [`CREATE TABLE ${CONTROL_SCHEMA}.${name} (\n${body.join(',\n')}\n);`, ...indexes].join('\n');
}
