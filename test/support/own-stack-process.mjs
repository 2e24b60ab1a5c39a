/**
 * Holds a PostgreSQL and a Prefect server of one test file, which can be killed and started again. It ends with the channel, also when the tests
 * died. Each message is answered.
 */
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canReach, postgresUser } from '../../tools/stack/folders.mjs';
import { freePort } from '../../tools/stack/ports.mjs';
import { makeDatabases, startPostgres } from '../../tools/stack/postgres.mjs';
import { startPrefectServer } from '../../tools/stack/prefect.mjs';
import { signalGroup, stopAllServices } from '../../tools/stack/processes.mjs';
import { prefectPython } from '../../tools/stack/venv.mjs';

const NAMES = ['control', 'destination', 'prefect'];

/** @type {string} */
let folder;
/** @type {{ postgres: number, prefect: number }} */
let ports;
/** @type {import('../../tools/stack/postgres.mjs').Postgres} */
let postgres;
/** @type {import('../../tools/stack/prefect.mjs').PrefectServer} */
let prefect;

async function makeFolder() {
  const base = (await canReach(tmpdir(), postgresUser())) ? tmpdir() : '/tmp';
  folder = await mkdtemp(join(base, 'sluice-own-'));
  await chmod(folder, 0o755);
  await mkdir(join(folder, 'prefect'));
}

const startDatabase = () =>
  startPostgres({
    dataDir: join(folder, 'postgres'),
    port: ports.postgres,
    password: 'test',
    logFile: join(folder, 'postgres.log'),
    settings: { fsync: 'off', max_connections: '200' },
  });

const startPrefect = async () =>
  startPrefectServer({
    python: await prefectPython(),
    port: ports.prefect,
    databaseUrl: postgres.url('prefect'),
    home: join(folder, 'prefect'),
    logFile: join(folder, 'prefect.log'),
    ui: false,
  });

/** @param {import('../../tools/stack/processes.mjs').Service} service */
async function kill(service) {
  signalGroup(service.pid, 'SIGKILL');
  await service.ended;
}

const COMMANDS = {
  start: async () => {
    await makeFolder();
    ports = { postgres: await freePort(), prefect: await freePort() };
    postgres = await startDatabase();
    await makeDatabases(postgres, NAMES);
    prefect = await startPrefect();
    const [controlUrl, destinationUrl] = NAMES.map((name) => postgres.url(name));
    return { python: await prefectPython(), apiUrl: prefect.apiUrl, controlUrl, destinationUrl };
  },
  'kill-postgres': async () => {
    await kill(postgres.service);
    return {};
  },
  'start-postgres': async () => {
    postgres = await startDatabase();
    return {};
  },
  'kill-prefect': async () => {
    await kill(prefect.service);
    return {};
  },
  'start-prefect': async () => {
    prefect = await startPrefect();
    return {};
  },
};

async function end() {
  await stopAllServices();
  await rm(folder, { recursive: true, force: true, maxRetries: 5 }).catch(() => {});
  process.exit(0);
}

process.on('message', async (/** @type {{ command: keyof typeof COMMANDS }} */ { command }) => {
  try {
    process.send?.(await COMMANDS[command]());
  } catch (error) {
    process.send?.({ error: error instanceof Error ? error.message : String(error) });
  }
});
process.once('disconnect', end);
