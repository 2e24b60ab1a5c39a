import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { startService, untilReady } from './processes.mjs';

const START_MS = 120_000;
const WORKER_MS = 60_000;
// How to reach a server and speak to it.
const KEPT = new Set(['PREFECT_API_URL', 'PREFECT_API_AUTH_STRING', 'PREFECT_WORK_POOL']);

/** @typedef {import('./processes.mjs').Service} Service */

/** @typedef {{ service: Service, apiUrl: string, uiUrl: string }} PrefectServer */

/**
 * Starts a Prefect server and waits until it serves and its database is ready.
 * @param {{ python: string, databaseUrl: string, port: number, home: string, logFile: string, ui?: boolean, env?: NodeJS.ProcessEnv }} options
 * `databaseUrl`: `postgresql://...`; `home`: a folder of its own for what Prefect writes
 * @returns {Promise<PrefectServer>}
 */
export async function startPrefectServer({ python, databaseUrl, port, home, logFile, ui = true, env = process.env }) {
  await mkdir(join(home, 'tmp'), { recursive: true });
  const service = await startService({
    name: 'The Prefect server',
    command: python,
    args: ['-m', 'prefect', 'server', 'start', '--host', '127.0.0.1', '--port', String(port)],
    env: {
      ...prefectEnvironment(home, env),
      PREFECT_SERVER_DATABASE_CONNECTION_URL: databaseUrl.replace(/^postgres(ql)?:/, 'postgresql+asyncpg:'),
      PREFECT_SERVER_ANALYTICS_ENABLED: 'false',
      PREFECT_SERVER_UI_ENABLED: String(ui),
      // By default the pages are written into the installed package, which all servers share.
      PREFECT_SERVER_UI_STATIC_DIRECTORY: join(home, 'ui'),
    },
    cwd: home,
    logFile,
  });
  const uiUrl = `http://127.0.0.1:${port}`;
  const server = { service, apiUrl: `${uiUrl}/api`, uiUrl };
  await untilReady(service, () => isReady(server.apiUrl), { timeoutMs: START_MS }).catch(async (error) => {
    await service.stop();
    throw error;
  });
  return server;
}

/** Green health alone says nothing: the second question needs the database. @param {string} apiUrl @param {Record<string, string>} [headers] */
export async function isReady(apiUrl, headers = {}) {
  const health = await fetch(`${apiUrl}/health`, { headers, signal: AbortSignal.timeout(5000) });
  if (!health.ok) throw new Error(`/health answered ${health.status}`);
  const pools = await ask(apiUrl, '/work_pools/filter', { headers, body: { limit: 1 } });
  return Array.isArray(pools);
}

/**
 * @param {string} apiUrl @param {string} path @param {{ headers?: Record<string, string>, body?: unknown }} [options]
 * @returns {Promise<any>} the JSON of the answer
 */
async function ask(apiUrl, path, { headers = {}, body } = {}) {
  const answer = await fetch(`${apiUrl}${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: body === undefined ? null : JSON.stringify(body),
    signal: AbortSignal.timeout(5000),
  });
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}`);
  return answer.json();
}

/** @param {string} apiUrl @param {string} pool @param {Record<string, string>} headers @returns {Promise<string | null>} `null`: there is none, or no answer */
export async function typeOfPool(apiUrl, pool, headers) {
  return ask(apiUrl, `/work_pools/${encodeURIComponent(pool)}`, { headers }).then(
    ({ type }) => type,
    () => null,
  );
}

/**
 * Starts a process worker and waits until Prefect lists it as online. The pool should exist: a worker makes a missing one without our command.
 * @param {{ python: string, apiUrl: string, pool: string, name: string, limit: number, home: string, logFile: string, cwd: string, env: NodeJS.ProcessEnv, headers?: Record<string, string> }} options
 * `env`: what the flow runs get
 * @returns {Promise<Service>}
 */
export async function startPrefectWorker({ python, apiUrl, pool, name, limit, home, logFile, cwd, env, headers = {} }) {
  await mkdir(join(home, 'tmp'), { recursive: true });
  // One of the same name that ended a moment ago still counts as online: only a new heartbeat is ours.
  const before = (await workersOnline(apiUrl, pool, headers)).get(name);
  const service = await startService({
    name: 'The Prefect worker',
    command: python,
    args: [
      '-m',
      'prefect',
      'worker',
      'start',
      '--type',
      'process',
      '--pool',
      pool,
      '--name',
      name,
      '--limit',
      String(limit),
    ],
    env: { ...prefectEnvironment(home, env), PREFECT_API_URL: apiUrl, PREFECT_WORKER_QUERY_SECONDS: '1' },
    cwd,
    logFile,
  });
  const isOnline = async () => ![undefined, before].includes((await workersOnline(apiUrl, pool, headers)).get(name));
  await untilReady(service, isOnline, { timeoutMs: WORKER_MS }).catch(async (error) => {
    await service.stop();
    throw error;
  });
  return service;
}

/**
 * The workers that serve a pool now, with the time of their last heartbeat by name.
 * @param {string} apiUrl @param {string} pool @param {Record<string, string>} headers
 * @returns {Promise<Map<string, string>>}
 */
async function workersOnline(apiUrl, pool, headers) {
  /** @type {{ name: string, status: string, last_heartbeat_time: string }[]} */
  const workers = await ask(apiUrl, `/work_pools/${encodeURIComponent(pool)}/workers/filter`, { headers, body: {} });
  return new Map(
    workers.filter((worker) => worker.status === 'ONLINE').map((worker) => [worker.name, worker.last_heartbeat_time]),
  );
}

/**
 * The caller's environment without his own Prefect settings, except how to reach and speak to a server: neither profile nor home folder of his is read or written.
 * @param {string} home @param {NodeJS.ProcessEnv} env
 */
export function prefectEnvironment(home, env) {
  const kept = Object.entries(env).filter(([name]) => !name.startsWith('PREFECT_') || KEPT.has(name));
  return {
    ...Object.fromEntries(kept),
    HOME: env.HOME || home,
    PREFECT_HOME: home,
    // A worker keeps files in one folder of fixed name below it, which another user may have made.
    TMPDIR: join(home, 'tmp'),
    PREFECT_PROFILES_PATH: join(home, 'profiles.toml'),
    DO_NOT_TRACK: '1',
    // Then the zones are those of the package tzdata, which has them in one list. Prefect asks for all of them with each cron it reads: 5 ms on a system's folders.
    PYTHONTZPATH: '',
    PYTHONUNBUFFERED: '1',
  };
}
