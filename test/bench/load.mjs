import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { copyCommand, CSV_OPTIONS, psql, psqlVersion } from './peer.mjs';
import { createIngestion, load } from './sluice.mjs';
import { benchStack, median } from './stack.mjs';
import { assertSameRows, kindDifference, makePeer, tidy } from './tables.mjs';
import { writeTrips } from './trips.mjs';

const ROWS = 2_000_000;
const ROUNDS = 3;
const [TRIPS, PEER] = ['public.trips', 'public.trips_peer'];

/** @typedef {import('./sluice.mjs').Stack} Stack */

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
  await tidy(client, TRIPS, PEER);
  const order = { name: `bench load ${round}`, folder: stack.data, pattern: 'trips.csv', table: 'trips' };
  const ours = await load(stack, await createIngestion(stack, order), ROWS);
  await makePeer(client, TRIPS, PEER);
  await tidy(client);
  const peer = await loadWithPeer(stack, client, file);
  const difference = await kindDifference(client, TRIPS, PEER);
  if (difference !== null) throw new Error(difference);
  await assertSameRows(client, TRIPS, PEER);
  const result = { ...ours, ...peer, ratio: ours.seconds / peer.peerSeconds };
  console.log(
    `round ${round}: Sluice ${ours.seconds.toFixed(2)} s, ${peer.peer} ${peer.peerSeconds.toFixed(2)} s, ratio ${result.ratio.toFixed(2)}, flow-runner at most ${ours.memory?.toFixed(0) ?? '?'} MiB`,
  );
  return result;
}

/** psql where there is one, else the same COPY sent from Node. @param {Stack} stack @param {pg.Client} client @param {string} file */
async function loadWithPeer({ destinationUrl }, client, file) {
  if ((await psqlVersion()) !== null)
    return { peer: 'psql \\copy', peerSeconds: await psql(destinationUrl, [copyCommand(PEER, file)]) };
  const begun = performance.now();
  await pipeline(
    createReadStream(file, { highWaterMark: 1 << 20 }),
    client.query(copyFrom(`COPY ${PEER} FROM STDIN ${CSV_OPTIONS}`)),
  );
  return { peer: 'COPY sent from Node', peerSeconds: (performance.now() - begun) / 1000 };
}

/** @param {{ seconds: number, peerSeconds: number, peer: string, ratio: number, memory: number | null }[]} rounds */
function summary(rounds) {
  const of = (/** @type {(round: typeof rounds[number]) => number} */ pick) => median(rounds.map(pick)).toFixed(2);
  console.log(
    `median: Sluice ${of((it) => it.seconds)} s, ${rounds[0]?.peer} ${of((it) => it.peerSeconds)} s, ratio ${of((it) => it.ratio)}; flow-runner at most ${Math.max(...rounds.map((it) => it.memory ?? NaN)).toFixed(0)} MiB`,
  );
}
