import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { inOwnFolder } from '../ha/program.mjs';
import { TcpProxy } from '../ha/proxy.mjs';
import { behindProxy } from '../ha/sluice.mjs';
import { Verdicts } from '../ha/verdicts.mjs';
import { startApiPart, startPostgresPart, startPrefectServerPart, startWorkerPart } from '../../tools/stack/parts.mjs';
import { prefectPython } from '../../tools/stack/venv.mjs';
import { burst } from './soak/burst.mjs';
import { growthOf, heapOf, percentile, socketsOf, watchResident } from './soak/watch.mjs';

/** Prefect is away for the first half of each turn. */
const TURN_MS = 10_000;
const READ_P99_MS = 100;
const GROWTH = 0.05;
/** In less time memory says nothing: the heap still grows to the size the load needs. */
const JUDGED_FROM_MINUTES = 5;
const RUNS_END_MS = 180_000;
/** Long enough that idle connections are closed: the pool's after 10 s, those to Prefect after 5 s. */
const QUIET_MS = 20_000;
/** The part of the time after which caches are full and code is compiled. */
const WARM_UP = 0.2;
/** The API's pool of the control database, and the session that leads the reconciler. */
const API_CONNECTIONS = 10 + 1;
/** Sockets that come and go: a probe under way, a pool that has just one more. */
const COMING_AND_GOING = 5;

/**
 * @typedef {object} Bench
 * @property {string} apiUrl with the base path
 * @property {string} prefectApiUrl past the proxy
 * @property {string} data
 * @property {pg.Client} control
 * @property {pg.Client} destination
 * @property {TcpProxy} proxy before Prefect
 * @property {number} apiPid
 * @property {string} heapFile where the API tells its heap
 * @property {Verdicts} verdicts
 */

/** Mixed load while Prefect comes and goes, then very many runs due at once. @param {string[]} args `--minutes 10 --rate 200 --burst 1000` */
export async function bench(args) {
  const [minutes, rate, due] = [
    numberOf(args, 'minutes', 10),
    numberOf(args, 'rate', 200),
    numberOf(args, 'burst', 1000),
  ];
  return inOwnFolder('soak', async (folder) => {
    const stack = await setUp(folder);
    try {
      if (minutes > 0) await soak(stack, { minutes, rate });
      if (due > 0) await burst(stack, due);
      return stack.verdicts.report();
    } finally {
      await Promise.all([stack.control.end(), stack.destination.end(), stack.proxy.close()]);
    }
  });
}

/** @param {string[]} args @param {string} name @param {number} fallback */
function numberOf(args, name, fallback) {
  const at = args.findIndex((arg) => arg === `--${name}` || arg.startsWith(`--${name}=`));
  if (at < 0) return fallback;
  const value = Number(args[at]?.split('=')[1] ?? args[at + 1]);
  if (Number.isFinite(value) && value >= 0) return value;
  throw new Error(`--${name} needs a number, such as --${name} ${fallback}.`);
}

/** @param {string} folder @returns {Promise<Bench>} */
async function setUp(folder) {
  const { settings, urls, data, proxyPort } = await behindProxy(folder);
  const python = await prefectPython();
  await startPostgresPart(settings, () => {});
  await startPrefectServerPart(settings, python);
  const proxy = new TcpProxy(proxyPort, () => [settings.ports.prefect]);
  await proxy.listen();
  const heapFile = join(folder, 'heap');
  const api = await startApiPart({ ...settings, env: { ...settings.env, ...probed(heapFile) } });
  if ((await startWorkerPart(settings, async () => python)) === null)
    throw new Error('The work pool is not one for processes.');
  const [control, destination] = await Promise.all([connected(urls.database), connected(urls.destination)]);
  return {
    apiUrl: `${urls.api}/api/v1`,
    prefectApiUrl: `http://127.0.0.1:${settings.ports.prefect}/api`,
    ...{ data, control, destination, proxy },
    ...{ apiPid: api.pid, heapFile },
    verdicts: new Verdicts(),
  };
}

/** For the API alone: other flags would make the flow runs compile anew. @param {string} heapFile */
function probed(heapFile) {
  const probe = fileURLToPath(new URL('./soak/heap-probe.cjs', import.meta.url));
  return { NODE_OPTIONS: `--require ${probe}`, SOAK_HEAP_FILE: heapFile };
}

/** @param {string} connectionString */
async function connected(connectionString) {
  const client = new pg.Client({ connectionString, application_name: 'bench' });
  await client.connect();
  return client;
}

/** @param {Bench} bench @param {{ minutes: number, rate: number }} load */
async function soak(bench, { minutes, rate }) {
  console.log(`${rate} requests/s for ${minutes} min, Prefect away for ${TURN_MS / 2000} of each ${TURN_MS / 1000} s`);
  await pause(QUIET_MS);
  const before = await connectionsOf(bench);
  const memory = watchResident(bench.apiPid);
  const warm = pause(minutes * 60_000 * WARM_UP).then(() => heapOf(bench.apiPid, bench.heapFile));
  const [seen, heapBefore] = await Promise.all([generateWhileAway(bench, { minutes, rate }), warm]);
  const samples = await memory.stop();
  judgeAnswers(bench, seen);
  await judgeRuns(bench, seen.accepted);
  await pause(QUIET_MS);
  const heap = { before: heapBefore, after: await heapOf(bench.apiPid, bench.heapFile) };
  judgeMemory(bench, { samples, heap, minutes });
  judgeConnections(bench, before, await connectionsOf(bench));
}

/** @typedef {{ counts: Record<string, Record<string, number>>, reads: Record<string, number[]>, wrong: string[], notSent: number, accepted: string[] }} Seen */

/** @param {Bench} bench @param {{ minutes: number, rate: number }} load @returns {Promise<Seen>} */
async function generateWhileAway({ apiUrl, data, proxy }, { minutes, rate }) {
  const generator = fork(fileURLToPath(new URL('./soak/generator.mjs', import.meta.url)));
  const stop = new AbortController();
  try {
    generator.send({ apiUrl, data, minutes, rate });
    const coming = comeAndGo(proxy, generator, stop.signal);
    const ended = once(generator, 'exit').then(() => Promise.reject(new Error('The generator ended early.')));
    const [seen] = await Promise.race([once(generator, 'message'), ended]);
    stop.abort();
    await coming;
    return seen;
  } finally {
    stop.abort();
    if (generator.connected) generator.disconnect();
  }
}

/** @param {TcpProxy} proxy @param {import('node:child_process').ChildProcess} generator @param {AbortSignal} signal */
async function comeAndGo(proxy, generator, signal) {
  while (!signal.aborted) {
    generator.send({ away: false });
    await proxy.listen();
    await pause(TURN_MS / 2, undefined, { signal }).catch(() => {});
    if (signal.aborted) return;
    generator.send({ away: true });
    await proxy.refuse();
    await pause(TURN_MS / 2, undefined, { signal }).catch(() => {});
  }
  await proxy.listen();
}

/** @param {Bench} bench @param {Seen} seen */
function judgeAnswers({ verdicts }, { counts, reads, wrong, notSent }) {
  for (const [kind, byStatus] of Object.entries(counts)) console.log(`${kind.padEnd(8)} ${line(byStatus)}`);
  for (const [what, times] of Object.entries(reads).sort()) {
    const at = (/** @type {number} */ share) => `${percentile(times, share).toFixed(1)} ms`;
    console.log(`read ${what.padEnd(21)} ${times.length}, p50 ${at(0.5)}, p99 ${at(0.99)}, slowest ${at(1)}`);
  }
  for (const answer of wrong) console.log(`  ${answer}`);
  verdicts.say('answers only 2xx, 4xx, 503', wrong.length === 0, `${wrong.length} shown above`);
  verdicts.say('all requests were sent in time', notSent === 0, `${notSent} were not`);
  const p99 = percentile(Object.values(reads).flat(), 0.99);
  verdicts.say(`reads p99 at most ${READ_P99_MS} ms`, p99 <= READ_P99_MS, `${p99.toFixed(1)} ms`);
}

/** @param {Record<string, number>} byStatus */
function line(byStatus) {
  return Object.entries(byStatus)
    .map(([status, count]) => `${status === '0' ? 'none' : status}: ${count}`)
    .join(', ');
}

/**
 * Its heap after a whole garbage collection, at the end of the warm-up under load and when all is quiet; and what it has of the machine's memory, medians of
 * the first fifth after the warm-up and of the last.
 * @param {Bench} bench @param {{ samples: number[], heap: { before: number, after: number }, minutes: number }} seen
 */
function judgeMemory({ verdicts }, { samples, heap, minutes }) {
  const held = { before: heap.before, after: heap.after, growth: heap.after / heap.before - 1 };
  const kinds = {
    'heap after garbage collection': held,
    ...(samples.length > 0 && { 'resident memory': growthOf(samples) }),
  };
  for (const [kind, { before, after, growth }] of Object.entries(kinds)) {
    const demand = `the API's ${kind} grows less than ${GROWTH * 100} %`;
    const figures = `${before.toFixed(1)} MiB after the warm-up, ${after.toFixed(1)} MiB at the end (${(growth * 100).toFixed(1)} %)`;
    if (minutes < JUDGED_FROM_MINUTES)
      verdicts.leave(demand, `${figures}; judged from ${JUDGED_FROM_MINUTES} minutes on`);
    else verdicts.say(demand, growth < GROWTH, figures);
  }
}

/** @param {Bench} bench @param {string[]} accepted */
async function judgeRuns({ control, verdicts }, accepted) {
  const sql = `SELECT count(*) FILTER (WHERE ended_at IS NULL)::int AS open, count(*)::int AS there FROM sluice_control.run WHERE id = ANY ($1)`;
  const begun = performance.now();
  for (;;) {
    const { open, there } = (await control.query(sql, [accepted])).rows[0];
    const seconds = (performance.now() - begun) / 1000;
    if (open > 0 && seconds * 1000 < RUNS_END_MS) {
      await pause(500);
      continue;
    }
    const figures = `${accepted.length} accepted (${accepted.length - there} deleted since), ${open} open after ${seconds.toFixed(0)} s`;
    verdicts.say('all accepted triggers end', open === 0, figures);
    return;
  }
}

/** @typedef {{ postgres: number, busy: number, prefect: number, sockets: number | null }} Connections */

/** @param {Bench} bench @returns {Promise<Connections>} `prefect`: the API's and the worker's */
async function connectionsOf({ control, proxy, apiPid }) {
  const { rows } = await control.query(
    `SELECT datname, application_name AS name, state, count(*)::int AS count FROM pg_stat_activity
     WHERE datname IN ('sluice', 'warehouse') AND application_name <> 'bench' GROUP BY 1, 2, 3 ORDER BY 1, 2, 3`,
  );
  for (const { datname, name, state, count } of rows)
    console.log(`connections: ${datname} ${name || '(unnamed)'} ${state} ${count}`);
  const sum = (/** @type {any[]} */ some) => some.reduce((total, { count }) => total + count, 0);
  const busy = sum(rows.filter(({ state }) => state !== 'idle'));
  return { postgres: sum(rows), busy, prefect: proxy.connections, sockets: await socketsOf(apiPid) };
}

/** @param {Bench} bench @param {Connections} before @param {Connections} after */
function judgeConnections({ verdicts }, before, after) {
  const held = after.postgres <= API_CONNECTIONS && after.busy === 0;
  const figures = `${before.postgres} before, ${after.postgres} after (the API may keep ${API_CONNECTIONS}), ${after.busy} of them in a transaction`;
  verdicts.say('no leaked connection to PostgreSQL', held, figures);
  const toPrefect = `${before.prefect} before, ${after.prefect} after`;
  verdicts.say('no leaked connection to Prefect', after.prefect <= before.prefect + COMING_AND_GOING, toPrefect);
  if (before.sockets === null || after.sockets === null) return;
  const sockets = `${before.sockets} before, ${after.sockets} after`;
  verdicts.say("no leaked socket in the API's process", after.sockets <= before.sockets + COMING_AND_GOING, sockets);
}
