/** @typedef {import('pg').Client} Client */

/** Type by type and value by value what two tables of trips have in common; texts that are empty count as NULL, which not everybody tells apart. */
const SUMS = `count(*)::text AS rows, sum(trip_id)::text AS ids, round(sum(fare::numeric + tip::numeric + total::numeric + distance_km::numeric), 2)::text AS numbers,
  sum(passengers * 10 + rate_code)::text AS codes,
  sum(hashtext(concat_ws('|', vendor, store_and_fwd, payment, zone, nullif(note, ''), to_char(pickup_at, 'YYYY-MM-DD HH24:MI:SS.US'), to_char(dropoff_at, 'YYYY-MM-DD HH24:MI:SS.US')))::bigint)::text AS texts`;

/** A fast load of other values would be worth nothing. @param {Client} client @param {string} table @param {string} other */
export async function assertSameRows(client, table, other) {
  const [one, two] = [await sums(client, table), await sums(client, other)];
  if (JSON.stringify(one) !== JSON.stringify(two))
    throw new Error(`${table} and ${other} differ: ${JSON.stringify(one)} and ${JSON.stringify(two)}`);
}

/** @param {Client} client @param {string} table */
async function sums(client, table) {
  return (await client.query(`SELECT ${SUMS} FROM ${table}`)).rows[0];
}

/**
 * What keeps two tables from being compared: other column types, or one that is not logged; `null` when nothing does.
 * @param {Client} client @param {string} table @param {string} peer
 */
export async function kindDifference(client, table, peer) {
  const [one, two] = [await columnsOf(client, table), await columnsOf(client, peer)];
  if (one !== two) return `${table} and ${peer} have other columns: ${one} and ${two}`;
  const { rows } = await client.query('SELECT relpersistence FROM pg_class WHERE oid = to_regclass($1)', [table]);
  return rows[0]?.relpersistence === 'p' ? null : `${table} is not a logged table`;
}

/** @param {Client} client @param {string} table */
async function columnsOf(client, table) {
  const statement = `SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum) AS columns FROM pg_attribute
    WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped AND attname NOT LIKE '\\_load\\_id'`;
  return (await client.query(statement, [table])).rows[0].columns;
}

/** A table for the peer as Sluice makes it, without `_load_id`. @param {Client} client @param {string} table @param {string} peer */
export async function makePeer(client, table, peer) {
  await client.query(
    `DROP TABLE IF EXISTS ${peer}; CREATE TABLE ${peer} (LIKE ${table} INCLUDING INDEXES); ALTER TABLE ${peer} DROP COLUMN _load_id`,
  );
}

/** Nothing that was written before is written on during the next measurement. @param {Client} client @param {string[]} dropped */
export async function tidy(client, ...dropped) {
  for (const table of dropped) await client.query(`DROP TABLE IF EXISTS ${table}`);
  await client.query('CHECKPOINT');
}
