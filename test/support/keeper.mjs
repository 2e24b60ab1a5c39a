/**
 * Holds the servers the tests share, in a process of its own: when Jest ends, however it ends (also by Ctrl-C or -9), the channel to it closes,
 * and everything is stopped and removed. PostgreSQL starts at once, Prefect when the first test asks for it.
 */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canReach, postgresUser } from '../../tools/stack/folders.mjs';
import { freePort } from '../../tools/stack/ports.mjs';
import { makeDatabases, startPostgres } from '../../tools/stack/postgres.mjs';
import { stopAllServices } from '../../tools/stack/processes.mjs';
import { startPrefectServer } from '../../tools/stack/prefect.mjs';
import { prefectPython } from '../../tools/stack/venv.mjs';

/** @type {(() => Promise<unknown>)[]} */
const cleanups = [];
let ending = false;

async function makeFolder() {
  const user = postgresUser();
  const base = (await canReach(tmpdir(), user)) ? tmpdir() : '/tmp';
  const folder = await mkdtemp(join(base, 'sluice-test-'));
  cleanups.unshift(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  await chmod(folder, 0o755);
  return folder;
}

/** @param {string} folder */
async function postgresIn(folder) {
  const postgres = await startPostgres({
    dataDir: join(folder, 'postgres'),
    port: await freePort(),
    password: 'test',
    logFile: join(folder, 'postgres.log'),
    settings: { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off', max_connections: '400' },
  });
  return postgres;
}

/** @param {string} folder @param {number} port @param {import('../../tools/stack/postgres.mjs').Postgres} postgres */
async function prefectIn(folder, port, postgres) {
  const python = await prefectPython();
  await makeDatabases(postgres, ['prefect']);
  const server = await startPrefectServer({
    python,
    port,
    databaseUrl: postgres.url('prefect'),
    home: join(folder, 'prefect'),
    logFile: join(folder, 'prefect.log'),
    ui: false,
  });
  return { apiUrl: server.apiUrl, python };
}

/** Starts Prefect at the first request and answers all of them with the same. @param {() => Promise<unknown>} start */
async function listen(start) {
  /** @type {Promise<unknown> | undefined} */
  let started;
  const server = createServer((_request, response) => {
    started ??= start();
    started.then(
      (answer) => response.end(JSON.stringify(answer)),
      (error) => response.writeHead(500).end(error.message),
    );
  });
  const port = await freePort();
  await new Promise((resolve) => server.listen(port, '127.0.0.1', () => resolve(undefined)));
  cleanups.unshift(async () => server.closeAllConnections());
  return `http://127.0.0.1:${port}`;
}

async function begin() {
  const folder = await makeFolder();
  const postgres = await postgresIn(folder);
  const prefectPort = await freePort();
  const keeperUrl = await listen(() => prefectIn(folder, prefectPort, postgres));
  process.send?.({
    SLUICE_TEST_POSTGRES_URL: postgres.url('postgres'),
    SLUICE_TEST_PREFECT_API_URL: `http://127.0.0.1:${prefectPort}/api`,
    SLUICE_TEST_KEEPER_URL: keeperUrl,
  });
}

async function end() {
  if (ending) return;
  ending = true;
  await stopAllServices();
  for (const cleanup of cleanups) await cleanup().catch(() => {});
  process.exit(0);
}

process.once('disconnect', end);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, end);
begin().catch((error) => {
  process.send?.({ error: error.message });
  void end();
});
