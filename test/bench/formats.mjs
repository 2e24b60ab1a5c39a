import { chmod, mkdir, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import pg from 'pg';
import { lackOfSpace, places, writeDatasets, writeLarge } from './datasets.mjs';
import { loadStepStack } from './load-step.mjs';
import { mergeRound, writeMergeFiles } from './merge.mjs';
import { readOptions, sizes as sizesOf, USAGE } from './options.mjs';
import { copyCommand, psql, psqlVersion } from './peer.mjs';
import { report } from './report.mjs';
import { installRival } from './rivals.mjs';
import { createIngestion, load } from './sluice.mjs';
import { benchStack } from './stack.mjs';
import { assertSameRows, kindDifference, makePeer, tidy } from './tables.mjs';

const [TRIPS, PEER] = ['public.trips', 'public.trips_peer'];

/** @typedef {import('./sluice.mjs').Stack} Stack */
/** @typedef {import('./rivals.mjs').Rival} Rival */
/** @typedef {import('./sluice.mjs').Measured & { peerSeconds?: number }} Result */
/** @typedef {Map<string, Result[]>} Results by the name of the step, one of each round */
/**
 * What is measured one way.
 * @typedef {object} Bench
 * @property {import('./options.mjs').Way} way
 * @property {Stack} stack
 * @property {pg.Client} client
 * @property {import('./options.mjs').Options} options
 * @property {ReturnType<typeof sizesOf>} sizes
 * @property {ReturnType<typeof places>} at
 * @property {Map<string, Rival>} rivals
 * @property {Results} results
 * @property {Set<string>} notes what the reader of the table must know
 * @property {string} server the version of PostgreSQL
 */

/** All formats, many files, a merge, a large file, and what else one can install, in one run: prints the table of docs/benchmarks.md. @param {string[]} args */
export async function bench(args) {
  if (args.includes('--help')) {
    process.stdout.write(USAGE);
    return 0;
  }
  const options = readOptions(args);
  const version = await psqlVersion();
  if (version === null)
    throw new Error('psql is what all is compared with, and it is not there. Install it (Debian: postgresql-client).');
  const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-files-'));
  try {
    await chmod(folder, 0o755);
    const shared = await prepareFiles(folder, options);
    const benches = [];
    // Rivals take their turn beside the last way.
    for (const way of options.through) benches.push(await oneWay(way, shared, way === options.through.at(-1)));
    console.log(`\n${await report(benches, version)}`);
    return 0;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** @typedef {Pick<Bench, 'options' | 'sizes' | 'at' | 'notes' | 'rivals'> & { data: string }} Shared by both ways */

/** Files and rivals. @param {string} folder @param {Bench['options']} options @returns {Promise<Shared>} */
async function prepareFiles(folder, options) {
  const data = join(folder, 'data');
  await mkdir(data);
  const [sizes, at] = [sizesOf(options.rows), places(data)];
  console.log(`making the files of ${sizes.rows} rows`);
  await writeDatasets(data, sizes, options.works);
  if (options.works.has('merge') || options.works.has('shuffled')) await writeMergeFiles(at.merge, sizes.mergeRows);
  const shared = { data, options, sizes, at, notes: new Set(), rivals: new Map() };
  for (const name of /** @type {const} */ (['dlt', 'sling']))
    if (options.works.has(name)) await prepareRival(shared, name, folder);
  return shared;
}

/** @param {Bench['way']} way @param {Shared} shared @param {boolean} all whether the rivals and the large file have their turn @returns {Promise<Bench>} */
async function oneWay(way, { data, ...shared }, all) {
  console.log(way === 'step' ? 'the load step alone' : 'the whole path');
  const stack = await (way === 'step' ? loadStepStack(data) : benchStack(data));
  const client = new pg.Client({ connectionString: stack.destinationUrl });
  await client.connect();
  try {
    const server = (await client.query('SHOW server_version')).rows[0].server_version;
    /** @type {Bench} */
    const it = { ...shared, way, stack, client, server, results: new Map() };
    if (!all) it.rivals = new Map();
    await prepare(it);
    for (let round = 1; round <= it.options.rounds; round++) await oneRound(it, round);
    if (all && it.options.works.has('large')) await largeFile(it);
    return it;
  } finally {
    await client.end();
    await stack.stop();
  }
}

/** The peer's table with the very types that Sluice finds; both sides are warm after it. @param {Bench} it */
async function prepare({ stack, client, sizes, at }) {
  await load(
    stack,
    await createIngestion(stack, { name: 'bench warm', folder: dirname(at.csv), table: 'trips' }),
    sizes.rows,
  );
  await makePeer(client, TRIPS, PEER);
  // It stays for all rounds, and nobody else's work should be measured beside ours.
  await client.query(`ALTER TABLE ${PEER} SET (autovacuum_enabled = off)`);
  await psql(stack.destinationUrl, [copyCommand(PEER, at.csv)]);
  await assertSameRows(client, TRIPS, PEER);
  await tidy(client, TRIPS);
}

/** @param {Pick<Shared, 'rivals' | 'notes'>} shared @param {'dlt' | 'sling'} name @param {string} folder */
async function prepareRival({ rivals, notes }, name, folder) {
  console.log(`installing ${name}`);
  const rival = await installRival(name, folder);
  if ('load' in rival) rivals.set(name, rival);
  else notes.add(`${name} could not be installed and is left out: ${rival.missing}`);
}

/** Each round begins with another step, so that none always follows the same one. @param {Bench} it @param {number} round */
async function oneRound(it, round) {
  const steps = stepsOf(it);
  const first = ((round - 1) * 2) % steps.length;
  for (const [name, step] of [...steps.slice(first), ...steps.slice(0, first)]) {
    const result = await step(round);
    it.results.set(name, [...(it.results.get(name) ?? []), result]);
    const peer = result.peerSeconds === undefined ? '' : `, by hand ${result.peerSeconds.toFixed(2)} s`;
    const whole = result.processSeconds === undefined ? '' : `, its process ${result.processSeconds.toFixed(2)} s`;
    console.log(
      `round ${round}: ${name} ${result.seconds.toFixed(2)} s${whole}${peer}, ${result.memory?.toFixed(0) ?? '?'} MiB`,
    );
  }
}

/** @param {Bench} it @returns {[string, (round: number) => Promise<Result>][]} */
function stepsOf(it) {
  const { works } = it.options;
  /** @type {[string, (round: number) => Promise<Result>][]} */
  const steps = [['psql', () => psqlCopy(it)]];
  for (const name of /** @type {const} */ (['csv', 'parquet', 'ndjson', 'gz']))
    if (works.has(name)) steps.push([name, (round) => oneFile(it, name, round)]);
  if (works.has('many')) steps.push(['many', (round) => manyFiles(it, round)]);
  for (const name of /** @type {const} */ (['merge', 'shuffled']))
    if (works.has(name)) steps.push([name, (round) => mergeRound(it, round, name)]);
  for (const [name, rival] of it.rivals) steps.push([name, () => rivalsTurn(it, rival, it.at.csv, it.sizes.rows)]);
  const dlt = it.rivals.get('dlt');
  const { smallFiles, rowsPerSmallFile } = it.sizes;
  if (works.has('many') && dlt !== undefined)
    steps.push(['dlt many', () => rivalsTurn(it, dlt, join(it.at.many, '*.csv'), smallFiles * rowsPerSmallFile)]);
  return steps;
}

/** @param {Bench} it @returns {Promise<Result>} */
async function psqlCopy({ stack, client, at }) {
  await client.query(`TRUNCATE ${PEER}; CHECKPOINT`);
  return { seconds: await psql(stack.destinationUrl, [copyCommand(PEER, at.csv)]), memory: null };
}

/** @param {Bench} it @param {'csv' | 'parquet' | 'ndjson' | 'gz'} name @param {number} round @returns {Promise<Result>} */
async function oneFile({ stack, client, sizes, at, notes }, name, round) {
  await tidy(client, TRIPS);
  const order = {
    name: `bench ${name} ${round}`,
    folder: dirname(at[name]),
    type: name === 'gz' ? 'csv' : name,
    table: 'trips',
  };
  const result = await load(stack, await createIngestion(stack, order), sizes.rows);
  const difference = await kindDifference(client, TRIPS, PEER);
  if (difference !== null) notes.add(`${name}: ${difference}`);
  await assertSameRows(client, TRIPS, PEER);
  await client.query(`DROP TABLE ${TRIPS}`);
  return result;
}

/** @param {Bench} it @param {number} round @returns {Promise<Result>} */
async function manyFiles({ stack, client, sizes, at }, round) {
  await tidy(client, 'public.trips_many');
  const id = await createIngestion(stack, { name: `bench many ${round}`, folder: at.many, table: 'trips_many' });
  const result = await load(stack, id, sizes.smallFiles * sizes.rowsPerSmallFile);
  await client.query('DROP TABLE public.trips_many');
  return result;
}

/** @param {Bench} it @param {Rival} rival @param {string} files @param {number} rows @returns {Promise<Result>} */
async function rivalsTurn({ stack, client, at }, rival, files, rows) {
  const remove = `DROP TABLE IF EXISTS ${rival.table}; DROP SCHEMA IF EXISTS dlt_peer, dlt_peer_staging CASCADE`;
  await client.query(remove);
  await tidy(client);
  const result = await rival.load(files, stack.destinationUrl);
  const { rows: counted } = await client.query(`SELECT count(*)::int AS rows FROM ${rival.table}`);
  if (counted[0].rows !== rows) throw new Error(`${rival.name} loaded ${counted[0].rows} of ${rows} rows`);
  if (files === at.csv) await assertSameRows(client, rival.table, PEER);
  await client.query(remove);
  return result;
}

/** Once, at the end: only its memory matters. @param {Bench} it */
async function largeFile({ stack, client, sizes, at, results, notes }) {
  const lack = await lackOfSpace(stack.data, sizes.largeBytes);
  if (lack !== null) return void notes.add(`the large file is left out: ${lack}`);
  const rows = await writeLarge(at.csv, at.large, sizes.largeBytes, sizes.rows);
  const { size } = await stat(at.large);
  await tidy(client);
  const id = await createIngestion(stack, { name: 'bench large', folder: dirname(at.large), table: 'trips_large' });
  const result = await load(stack, id, rows);
  results.set('large', [result]);
  console.log(
    `large: ${(size / 1e9).toFixed(2)} GB, ${rows} rows, ${result.seconds.toFixed(1)} s, ${result.memory?.toFixed(0) ?? '?'} MiB`,
  );
  await client.query('DROP TABLE public.trips_large');
  await rm(at.large);
}
