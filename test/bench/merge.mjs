import { link, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { copyCommand, psql } from './peer.mjs';
import { createIngestion, load } from './sluice.mjs';
import { assertSameRows, makePeer } from './tables.mjs';
import { writeTrips } from './trips.mjs';

const [MERGED, PEER] = ['public.trips_merged', 'public.trips_merged_peer'];
const KEY = 'trip_id';

/** What is merged into a million rows: in the order of its keys, as files written from a table are, or in no order. */
const NEXT = { merge: '2-next.csv', shuffled: '2-shuffled.csv' };

/** `rows` trips, and as many again half of which are new and half have other values. @param {string} folder @param {number} rows */
export async function writeMergeFiles(folder, rows) {
  await mkdir(folder, { recursive: true });
  await writeTrips(join(folder, '1-base.csv'), rows);
  await writeTrips(join(folder, NEXT.merge), rows, { firstId: Math.floor(rows / 2) + 1, seed: 2 });
  const [header = '', ...lines] = (await readFile(join(folder, NEXT.merge), 'utf8')).trimEnd().split('\n');
  await writeFile(join(folder, NEXT.shuffled), `${[header, ...shuffled(lines)].join('\n')}\n`);
}

/** Always the same order. Source: Durstenfeld, Algorithm 235; the numbers are those of Park and Miller's generator. @param {string[]} lines */
function shuffled(lines) {
  for (let last = lines.length - 1, seed = 1; last > 0; last--) {
    seed = (seed * 48_271) % 2_147_483_647;
    const other = seed % (last + 1);
    [lines[last], lines[other]] = [lines[other] ?? '', lines[last] ?? ''];
  }
  return lines;
}

/**
 * Merges the second file into a table that holds the first, by Sluice and by hand, into tables of the same kind.
 * @param {import('./formats.mjs').Bench} it @param {number} round @param {keyof typeof NEXT} kind
 * @returns {Promise<import('./formats.mjs').Result>}
 */
export async function mergeRound(it, round, kind) {
  const { stack, client, at, sizes } = it;
  const folder = join(at.merge, `${it.way}-${kind}-${round}`);
  await mkdir(folder);
  const id = await createIngestion(stack, {
    name: `bench ${kind} ${round}`,
    folder,
    table: 'trips_merged',
    mergeKeys: [KEY],
  });
  await link(join(at.merge, '1-base.csv'), join(folder, '1-base.csv'));
  await load(stack, id, sizes.mergeRows);
  await makePeer(client, MERGED, PEER);
  await client.query(`INSERT INTO ${PEER} SELECT ${(await columnsOf(client)).join(', ')} FROM ${MERGED}`);
  const next = join(folder, NEXT[kind]);
  await link(join(at.merge, NEXT[kind]), next);
  let peerSeconds = NaN;
  let ours = { seconds: NaN, memory: /** @type {number | null} */ (null) };
  const turns = [
    async () => void (ours = await load(stack, id, sizes.mergeRows)),
    async () => void (peerSeconds = await psql(stack.destinationUrl, await byHand(client, next))),
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
