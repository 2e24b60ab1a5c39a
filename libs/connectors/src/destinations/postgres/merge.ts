import { type Client, escapeIdentifier } from 'pg';
import { LOAD_ID, RESCUED } from '../../column';
import type { WriteOrder } from '../destination';
import { type InsertOf, withCulprits } from './merge-culprits';
import { asDestinationError, refusedRow } from './pg-errors';
import { list, nameOf, tableLockSql } from './sql';
import { PART, ROW, STAGING } from './staging';

/** The server's default (4 MB) would sort a million rows on disk. One merge at a time and table. */
const SORT_MEMORY = '128MB';

/** The types a server is born with have lower numbers. Source: PostgreSQL, src/include/access/transam.h, FirstNormalObjectId. */
const FIRST_OWN_OID = 16_384;

/**
 * The staged rows go into the table. Of rows with one key the last one counts, by load id and place in its file; a row that is there already is
 * written only when a value differs. One `INSERT ... ON CONFLICT` in the order of the keys: sorting costs less than it saves in the index, and
 * took 0.9 times as long as the same without it, 0.8 times as long as UPDATE and INSERT (1,000,000 rows into 1,000,000, half of them new).
 * Raises `RowRefused` when the rows of the batch taken together cannot be in.
 */
export async function merge(client: Client, order: WriteOrder): Promise<void> {
  try {
    await client.query(`SET LOCAL work_mem = '${SORT_MEMORY}'`);
    await lockForMerge(client, order);
  } catch (error) {
    throw asDestinationError(error);
  }
  const names = allColumns(order);
  const insert = `INSERT INTO ${nameOf(order.table)} AS old (${list(names)})`;
  const end = `ON CONFLICT (${list(order.keys)}) ${onConflict(order)}`;
  await insertCounting(client, order, (rows) => `${insert} SELECT ${list(names)} FROM ${rows} ${end}`);
}

/** One merge into a table at a time: two that write the same rows in different order would wait for each other. Until the transaction ends. */
export async function lockForMerge(client: Client, { table }: Pick<WriteOrder, 'table'>): Promise<void> {
  await client.query(tableLockSql(table, 'merge'));
}

/** The staged rows fill a table that is empty yet and has no unique index. Raises `RowRefused`. */
export async function fill(client: Client, order: WriteOrder): Promise<void> {
  const names = list(allColumns(order));
  const insert = `INSERT INTO ${nameOf(order.table)} (${names}) SELECT ${names}`;
  await insertCounting(client, order, (rows) => `${insert} FROM ${rows}`);
}

/** All rows that count at once; when they are refused, those that are to blame are looked for. */
async function insertCounting(client: Client, order: WriteOrder, sqlOf: InsertOf): Promise<void> {
  const rows = await countingRows(client, order);
  try {
    await client.query('SAVEPOINT merge');
    await client.query(sqlOf(`${rows} AS counting`));
  } catch (error) {
    const refused = refusedRow(error);
    if (refused === null) throw asDestinationError(error);
    await client.query('ROLLBACK TO SAVEPOINT merge');
    throw await withCulprits(client, refused, { counting: countingSql(order, '*'), sqlOf });
  }
}

/** As an item of a FROM clause. */
async function countingRows(client: Client, order: WriteOrder): Promise<string> {
  try {
    return (await isRising(client, order)) ? STAGING : `(${countingSql(order, list(allColumns(order)))})`;
  } catch (error) {
    throw asDestinationError(error);
  }
}

/**
 * Whether each staged row has a greater key than the one before, as in files written from a table: then all of them count, and are in the best order.
 * Finding that out costs a third of the sort that it saves, and ends at the first row that is not so. Types of extensions are not asked: what is
 * greater and what is equal is then another operator's business (citext, for which 'a' is 'A').
 */
async function isRising(client: Client, { keys }: WriteOrder): Promise<boolean> {
  const foreign = `SELECT FROM pg_catalog.pg_attribute
    WHERE attrelid = to_regclass('${STAGING}') AND attname = ANY ($1) AND atttypid >= ${FIRST_OWN_OID}`;
  if ((await client.query(foreign, [keys])).rowCount !== 0) return false;
  const before = keys.map((key) => `lag(${escapeIdentifier(key)}) OVER ()`).join(', ');
  const rises = `SELECT ROW(${list(keys)}) OPERATOR(pg_catalog.>) ROW(${before}) AS rises FROM ${STAGING}`;
  return (await client.query(`SELECT FROM (${rises}) AS compared WHERE rises IS FALSE LIMIT 1`)).rowCount === 0;
}

function onConflict(order: WriteOrder): string {
  const values = allColumns(order).filter((name) => name !== LOAD_ID && !order.keys.includes(name));
  if (values.length === 0 && order.claims !== true) return 'DO NOTHING';
  const set = [...values, LOAD_ID].map((name) => `${escapeIdentifier(name)} = excluded.${escapeIdentifier(name)}`);
  const update = `DO UPDATE SET ${set.join(', ')}`;
  return order.claims === true ? update : `${update} WHERE ${differs(values)}`;
}

/** Compares what is stored, not what counts as equal: types without equality (json) too, and 1.0 is not 1.00. */
function differs(names: readonly string[]): string {
  const row = (from: string) => `ROW(${list(names, `${from}.`)})::record`;
  return `${row('old')} OPERATOR(pg_catalog.*<>) ${row('excluded')}`;
}

/** Of each key the last row, in the order of the keys. */
function countingSql({ keys }: WriteOrder, columns: string): string {
  const order = [list(keys), `${LOAD_ID} DESC`, `${PART} DESC`, `${ROW} DESC`].join(', ');
  return `SELECT DISTINCT ON (${list(keys)}) ${columns} FROM ${STAGING} ORDER BY ${order}`;
}

function allColumns({ columns, rescued }: WriteOrder): string[] {
  return [...columns.map(({ name }) => name), ...(rescued ? [RESCUED] : []), LOAD_ID];
}
