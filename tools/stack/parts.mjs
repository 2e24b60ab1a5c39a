import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { StackError } from './errors.mjs';
import { postgresUser, reachableFolder, ROOT } from './folders.mjs';
import { startService, untilReady } from './processes.mjs';
import { isReady, startPrefectServer, startPrefectWorker, typeOfPool } from './prefect.mjs';
import { baseEnvironment, prefectHeaders, sluiceEnvironment } from './settings.mjs';

/** @typedef {import('./processes.mjs').Service} Service */
/** @typedef {import('./settings.mjs').Settings} Settings */

/** The parts of a stack by the names `stack.json` gives their pids, in the order they are started in. */
export const PARTS = /** @type {const} */ (['postgres', 'prefect_server', 'api', 'prefect_worker']);

/** @typedef {(typeof PARTS)[number]} Part */

const POOL_MS = 60_000;
const API_MS = 60_000;

/** @param {Settings} settings */
export function needsPostgres({ databaseUrl, destinationUrl, prefectApiUrl }) {
  return databaseUrl === undefined || destinationUrl === undefined || prefectApiUrl === undefined;
}

/** The addresses of all parts, known before anything runs. @param {Settings} settings */
export function addresses({ databaseUrl, destinationUrl, prefectApiUrl, ports, secrets }) {
  const embedded = (/** @type {string} */ name) =>
    `postgresql://sluice:${secrets.postgresPassword}@127.0.0.1:${ports.postgres}/${name}`;
  const prefectApis = (prefectApiUrl ?? `http://127.0.0.1:${ports.prefect}/api`).split(',');
  const [prefectApi = ''] = prefectApis;
  return {
    database: databaseUrl ?? embedded('sluice'),
    destination: destinationUrl ?? embedded('warehouse'),
    prefectDatabase: embedded('prefect'),
    prefectApis,
    prefectApi,
    prefectUi: prefectApi.replace(/\/api$/, ''),
    api: `http://127.0.0.1:${ports.api}`,
  };
}

/** @param {Settings} settings @param {(detail: string) => void} report @returns {Promise<Service>} */
export async function startPostgresPart(settings, report) {
  // It needs a package, which is there only after the installation.
  const { startPostgres, makeDatabases } = await import('./postgres.mjs');
  const user = postgresUser();
  const folder = await reachableFolder(settings.home, settings.secrets.id, user);
  if (folder === null) {
    throw new StackError(
      `PostgreSQL must not run as root, and its user ${user?.name} cannot reach ${settings.home}. Set SLUICE_HOME to a folder outside of your home folder.`,
    );
  }
  if (folder !== settings.home) report(`its data in ${folder}`);
  const postgres = await startPostgres({
    dataDir: join(folder, 'postgres'),
    port: settings.ports.postgres,
    password: settings.secrets.postgresPassword,
    logFile: join(settings.logs, 'postgres.log'),
  });
  await makeDatabases(postgres, ['sluice', 'prefect', 'warehouse']);
  return postgres.service;
}

/** @param {Settings} settings @param {string} python @returns {Promise<Service>} */
export async function startPrefectServerPart(settings, python) {
  const server = await startPrefectServer({
    python,
    databaseUrl: addresses(settings).prefectDatabase,
    port: settings.ports.prefect,
    home: join(settings.home, 'prefect'),
    logFile: join(settings.logs, 'prefect-server.log'),
    env: baseEnvironment(settings),
  });
  return server.service;
}

/** @param {Settings} settings @returns {Promise<Service>} */
export async function startApiPart(settings) {
  const urls = addresses(settings);
  const temp = join(settings.home, 'tmp');
  await mkdir(temp, { recursive: true });
  const service = await startService({
    name: 'The API',
    command: process.execPath,
    args: [join(ROOT, 'dist', 'apps', 'api', 'main.js')],
    env: {
      ...sluiceEnvironment(settings, urls),
      SLUICE_TEMP_DIR: temp,
      HOST: '127.0.0.1',
      PORT: String(settings.ports.api),
    },
    cwd: ROOT,
    logFile: join(settings.logs, 'api.log'),
  });
  await untilReady(service, async () => (await fetch(`${urls.api}/readyz`)).ok, { timeoutMs: API_MS });
  return service;
}

/**
 * The API makes the pool with our command; the worker comes after it.
 * @param {Settings} settings @param {() => Promise<string>} python
 * @returns {Promise<Service | null>} `null`: the pool is one for containers, and has workers of its own
 */
export async function startWorkerPart(settings, python) {
  const [pool, headers] = [settings.env.PREFECT_WORK_POOL || 'sluice', prefectHeaders(settings)];
  const { type, apiUrl } = await untilPoolExists(settings, pool);
  if (type !== 'process') return null;
  return startPrefectWorker({
    python: await python(),
    apiUrl,
    pool,
    name: workerName(settings),
    headers,
    limit: settings.workerLimit,
    home: join(settings.home, 'prefect-worker'),
    logFile: join(settings.logs, 'prefect-worker.log'),
    cwd: ROOT,
    env: { ...sluiceEnvironment(settings, addresses(settings)), SLUICE_TEMP_DIR: join(settings.home, 'tmp') },
  });
}

/** The same after each start, so that Prefect does not collect dead ones. @param {Settings} settings */
function workerName({ home }) {
  return `sluice-${createHash('sha256').update(home).digest('hex').slice(0, 8)}`;
}

/**
 * Its type, and the first server that answers: a worker speaks to one only, and is started again elsewhere when that one stays away.
 * @param {Settings} settings @param {string} pool @returns {Promise<{ type: string, apiUrl: string }>}
 */
async function untilPoolExists(settings, pool) {
  for (const deadline = Date.now() + POOL_MS; Date.now() < deadline; await pause(200)) {
    for (const apiUrl of addresses(settings).prefectApis) {
      const type = await typeOfPool(apiUrl, pool, prefectHeaders(settings));
      if (type !== null) return { type, apiUrl };
    }
  }
  throw new StackError(
    `The work pool ${pool} did not appear in Prefect within ${POOL_MS / 1000} s: the API makes it. Look into logs/api.log for the reason.`,
  );
}

/** @param {Settings} settings throws a sentence when none of the servers that were named answers */
export async function requirePrefect(settings) {
  const { prefectApiUrl } = settings;
  if (prefectApiUrl === undefined) return;
  const asked = addresses(settings).prefectApis.map((url) => isReady(url, prefectHeaders(settings)));
  await Promise.any(asked).catch(({ errors }) => {
    const why = errors.map((/** @type {any} */ error) => error.cause?.code ?? error.cause?.message ?? error.message);
    const [does, server] = errors.length > 1 ? ['do', 'any Prefect server'] : ['does', 'a Prefect server'];
    throw new StackError(
      `PREFECT_API_URL=${withoutPassword(prefectApiUrl)} ${does} not answer as ${server} (${why.join(', ')}). ` +
        'Start that server, correct the address (it ends in /api; PREFECT_API_AUTH_STRING holds user:password), or leave PREFECT_API_URL out to get an embedded one.',
    );
  });
}

/** @param {Settings} settings */
export async function requireDatabases(settings) {
  const named = { DATABASE_URL: settings.databaseUrl, DESTINATION_URL: settings.destinationUrl };
  for (const [variable, url] of Object.entries(named)) if (url !== undefined) await requireDatabase(variable, url);
}

/** @param {string} variable @param {string} url */
async function requireDatabase(variable, url) {
  const { withClient } = await import('./postgres.mjs');
  await withClient(url, (client) => client.query('SELECT 1')).catch((error) => {
    throw new StackError(
      `${variable}=${withoutPassword(url)} cannot be used (${error.code ?? error.message}). ` +
        `Start that PostgreSQL, correct the address, or leave ${variable} out to get an embedded one.`,
    );
  });
}

/** @param {string} url */
function withoutPassword(url) {
  return url.replace(/\/\/[^/@]*@/g, '//…@');
}
