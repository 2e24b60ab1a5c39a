import { link, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { copyCommand, psql } from './peer.mjs';
import { createIngestion, load } from './sluice.mjs';
import { assertSameRows, makePeer } from './tables.mjs';
import { writeTrips } from './trips.mjs';

const [MERGED, PEER] = ['public.trips_merged', 'public.trips_merged_peer'];
const KEY = 'trip_id';

/** `rows` trips, and as many again half of which are new and half have other values. @param {string} folder @param {number} rows */
export async function writeMergeFiles(folder, rows) {
  await mkdir(folder, { recursive: true });
  await writeTrips(join(folder, '1-base.csv'), rows);
  await writeTrips(join(folder, '2-next.csv'), rows, { firstId: Math.floor(rows / 2) + 1, seed: 2 });
}

/**
 * Merges the second file into a table that holds the first, by Sluice and by hand, into tables of the same kind.
 * @param {import('./formats.mjs').Bench} it @param {number} round
 * @returns {Promise<import('./formats.mjs').Result>}
 */
export async function mergeRound(it, round) {
  const { stack, client, at, sizes } = it;
  const folder = join(at.merge, `${it.way}-${round}`);
  await mkdir(folder);
  const id = await createIngestion(stack, {
    name: `bench merge ${round}`,
    folder,
    table: 'trips_merged',
    mergeKeys: [KEY],
  });
  await link(join(at.merge, '1-base.csv'), join(folder, '1-base.csv'));
  await load(stack, id, sizes.mergeRows);
  await makePeer(client, MERGED, PEER);
  await client.query(`INSERT INTO ${PEER} SELECT ${(await columnsOf(client)).join(', ')} FROM ${MERGED}`);
  await link(join(at.merge, '2-next.csv'), join(folder, '2-next.csv'));
  let peerSeconds = NaN;
  let ours = { seconds: NaN, memory: /** @type {number | null} */ (null) };
  const turns = [
    async () => void (ours = await load(stack, id, sizes.mergeRows)),
    async () => void (peerSeconds = await psql(stack.destinationUrl, await byHand(client, join(folder, '2-next.csv')))),
  ];
  for (const turn of round % 2 === 0 ? turns.reverse() : turns) {
    for (const table of [MERGED, PEER]) await client.query(`VACUUM ANALYZE ${table}`);
    await client.query('CHECKPOINT');
    await turn();
  }
  await assertSameRows(client, MERGED, PEER);
  await client.query(`DROP TABLE ${MERGED}, ${PEER}`);
  return { ...ours, peerSeconds };
}

/** What a person would write. @param {import('pg').Client} client @param {string} file */
async function byHand(client, file) {
  const columns = await columnsOf(client);
  const set = columns.filter((name) => name !== KEY).map((name) => `${name} = EXCLUDED.${name}`);
  return [
    `CREATE TEMPORARY TABLE incoming (LIKE ${PEER})`,
    copyCommand('incoming', file),
    `INSERT INTO ${PEER} SELECT * FROM incoming ON CONFLICT (${KEY}) DO UPDATE SET ${set.join(', ')}`,
  ];
}

/** @param {import('pg').Client} client @returns {Promise<string[]>} */
async function columnsOf(client) {
  const statement = `SELECT attname FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum`;
  return (await client.query(statement, [PEER])).rows.map(({ attname }) => attname);
}
