import { execFile } from 'node:child_process';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { watchMemory } from './memory.mjs';
import { benchStack, call, median } from './stack.mjs';
import { writeTrips } from './trips.mjs';

const ROWS = 2_000_000;
const ROUNDS = 3;
const run = promisify(execFile);

/** @typedef {Awaited<ReturnType<typeof benchStack>>} Stack */

/** One large CSV through the whole path against `psql \copy` of the same file into the same columns, in turn. */
export async function bench() {
  const stack = await benchStack();
  const client = new pg.Client({ connectionString: stack.destinationUrl });
  await client.connect();
  try {
    const file = join(stack.data, 'trips.csv');
    await writeTrips(file, ROWS);
    const { size } = await stat(file);
    console.log(`${ROWS} rows, ${(size / 1e6).toFixed(0)} MB, ${ROUNDS} rounds, server settings as initdb makes them`);
    const rounds = [];
    for (let round = 1; round <= ROUNDS; round++) rounds.push(await oneRound(stack, client, file, round));
    summary(rounds);
    return 0;
  } finally {
    await client.end();
    await stack.stop();
  }
}

/** @param {Stack} stack @param {pg.Client} client @param {string} file @param {number} round */
async function oneRound(stack, client, file, round) {
  await client.query('DROP TABLE IF EXISTS public.trips, public.trips_peer; CHECKPOINT');
  const ours = await loadThroughSluice(stack, client, round);
  await client.query(
    'CREATE TABLE public.trips_peer (LIKE public.trips); ALTER TABLE public.trips_peer DROP COLUMN _load_id; CHECKPOINT',
  );
  const peer = await loadWithPeer(stack, client, file);
  await same(client);
  const result = { ...ours, ...peer, ratio: ours.seconds / peer.peerSeconds };
  console.log(
    `round ${round}: Sluice ${ours.seconds.toFixed(2)} s, ${peer.peer} ${peer.peerSeconds.toFixed(2)} s, ratio ${result.ratio.toFixed(2)}, flow-runner at most ${ours.memory?.toFixed(0) ?? '?'} MiB`,
  );
  return result;
}

/** @param {Stack} stack @param {pg.Client} client @param {number} round */
async function loadThroughSluice({ apiUrl, data, workerPid }, client, round) {
  const { id } = await call(apiUrl, 'POST', '/ingestions', {
    name: `bench load ${round}`,
    source: { type: 'file', path: data, file_pattern: 'trips.csv' },
    format: { type: 'csv' },
    destination: { schema: 'public', table: 'trips', write_mode: 'append' },
    schedule: { frequency: 'manual' },
  });
  const memory = watchMemory(workerPid, 'flow-runner');
  const { run_id } = await call(apiUrl, 'POST', `/ingestions/${id}/run`);
  const done = await ended(apiUrl, run_id);
  const peak = await memory.stop();
  if (done.status !== 'success' || done.metrics.rows_ingested !== ROWS)
    throw new Error(`the run ended so: ${JSON.stringify(done)}`);
  const logged = await client.query("SELECT relpersistence FROM pg_class WHERE oid = 'public.trips'::regclass");
  if (logged.rows[0].relpersistence !== 'p') throw new Error('the table is not a logged one');
  return { seconds: done.metrics.duration_ms / 1000, memory: peak };
}

/** @param {string} apiUrl @param {string} runId */
export async function ended(apiUrl, runId) {
  for (;;) {
    const found = await call(apiUrl, 'GET', `/runs/${runId}`);
    if (!['queued', 'running'].includes(found.status)) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** psql where there is one, else the same COPY sent from Node. @param {Stack} stack @param {pg.Client} client @param {string} file */
async function loadWithPeer({ destinationUrl }, client, file) {
  const begun = performance.now();
  const options = '(FORMAT csv, HEADER true)';
  const psql = await run('psql', [
    '-q',
    '-d',
    destinationUrl,
    '-c',
    `\\copy public.trips_peer FROM '${file}' ${options}`,
  ]).catch((error) => (error.code === 'ENOENT' ? null : Promise.reject(error)));
  if (psql === null)
    await pipeline(
      createReadStream(file, { highWaterMark: 1 << 20 }),
      client.query(copyFrom(`COPY public.trips_peer FROM STDIN ${options}`)),
    );
  return {
    peer: psql === null ? 'COPY sent from Node' : 'psql \\copy',
    peerSeconds: (performance.now() - begun) / 1000,
  };
}

/** A fast load of other values would be worth nothing. @param {pg.Client} client */
async function same(client) {
  const sums = (/** @type {string} */ table) =>
    client.query(
      `SELECT count(*), sum(trip_id), sum(fare::numeric), sum(hashtext(concat_ws('|', vendor, pickup_at, dropoff_at, zone, note))::bigint) FROM public.${table}`,
    );
  const [ours, theirs] = [await sums('trips'), await sums('trips_peer')];
  if (JSON.stringify(ours.rows) !== JSON.stringify(theirs.rows))
    throw new Error(`the tables differ: ${JSON.stringify(ours.rows)} and ${JSON.stringify(theirs.rows)}`);
}

/** @param {{ seconds: number, peerSeconds: number, peer: string, ratio: number, memory: number | null }[]} rounds */
function summary(rounds) {
  const of = (/** @type {(round: typeof rounds[number]) => number} */ pick) => median(rounds.map(pick)).toFixed(2);
  console.log(
    `median: Sluice ${of((it) => it.seconds)} s, ${rounds[0]?.peer} ${of((it) => it.peerSeconds)} s, ratio ${of((it) => it.ratio)}; flow-runner at most ${Math.max(...rounds.map((it) => it.memory ?? NaN)).toFixed(0)} MiB`,
  );
}
