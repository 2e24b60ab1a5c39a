import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { noSpace } from './disk.mjs';
import { codeOf, StackError } from './errors.mjs';
import { ROOT, sluiceHome } from './folders.mjs';
import { portFor } from './ports.mjs';

/**
 * What `up` goes by.
 * @typedef {object} Settings
 * @property {string} home
 * @property {string} logs folder
 * @property {NodeJS.ProcessEnv} env
 * @property {string | undefined} databaseUrl of a server that is there already; likewise the next two
 * @property {string | undefined} destinationUrl
 * @property {string | undefined} prefectApiUrl one, or several on one Prefect database, separated by commas
 * @property {{ api: number, postgres: number, prefect: number }} ports
 * @property {{ secretKey: string, postgresPassword: string, id: string }} secrets
 * @property {number} workerLimit flow runs at the same time
 */

/** @param {NodeJS.ProcessEnv} env @returns {Promise<{ home: string, logs: string }>} */
export async function makeHome(env) {
  const home = sluiceHome(env);
  const logs = join(home, 'logs');
  try {
    await mkdir(logs, { recursive: true });
    // The mode of a folder that is there already stays as it is; only this proves that it can be written to.
    await writeFile(join(home, '.gitignore'), '*\n');
  } catch (error) {
    throw (
      noSpace(error, home) ??
      new StackError(
        `The folder ${home} cannot be written to (${codeOf(error)}). Set SLUICE_HOME to a folder of yours.`,
      )
    );
  }
  return { home, logs };
}

/** @param {NodeJS.ProcessEnv} env @returns {Promise<Settings>} */
export async function readSettings(env) {
  const { home, logs } = await makeHome(env);
  return {
    home,
    logs,
    env,
    databaseUrl: env.DATABASE_URL || undefined,
    destinationUrl: env.DESTINATION_URL || undefined,
    prefectApiUrl: trimmed(env.PREFECT_API_URL) || undefined,
    ports: await choosePorts(home, env),
    secrets: await readSecrets(home, env),
    workerLimit: 2 * cpus().length,
  };
}

/** @param {string | undefined} urls */
function trimmed(urls) {
  return urls
    ?.split(',')
    .map((url) => url.trim().replace(/\/+$/, ''))
    .join(',');
}

/** Without variables the ports of last time, so that addresses stay. @param {string} home @param {NodeJS.ProcessEnv} env */
async function choosePorts(home, env) {
  const file = join(home, 'ports.json');
  /** @type {Partial<Settings['ports']>} */
  const last = JSON.parse(await readFile(file, 'utf8').catch(() => '{}'));
  const ports = {
    api: await portFor('PORT', env.PORT, last.api),
    postgres: await portFor('SLUICE_POSTGRES_PORT', env.SLUICE_POSTGRES_PORT, last.postgres),
    prefect: await portFor('SLUICE_PREFECT_PORT', env.SLUICE_PREFECT_PORT, last.prefect),
  };
  await writeFile(file, JSON.stringify(ports));
  return ports;
}

/**
 * Made once. With another key the stored credentials could not be read any more; the id names data that lies elsewhere, and is not the name of
 * this folder because a new clone at the same place is another stack.
 * @param {string} home @param {NodeJS.ProcessEnv} env @returns {Promise<Settings['secrets']>}
 */
async function readSecrets(home, env) {
  const file = join(home, 'secrets.json');
  const text = await readFile(file, 'utf8').catch(() => null);
  const secrets = text === null ? newSecrets() : JSON.parse(text);
  if (text === null) await writeFile(file, JSON.stringify(secrets), { mode: 0o600 });
  return { ...secrets, secretKey: env.SLUICE_SECRET_KEY || secrets.secretKey };
}

function newSecrets() {
  const [secretKey, postgresPassword, id] = [
    randomBytes(32).toString('base64'),
    randomBytes(18).toString('hex'),
    randomBytes(6).toString('hex'),
  ];
  return { secretKey, postgresPassword, id };
}

/** @param {Settings} settings @returns {NodeJS.ProcessEnv} the caller's environment, with what must not go astray put right */
export function baseEnvironment({ env }) {
  const local = ['127.0.0.1', 'localhost', env.NO_PROXY || env.no_proxy].filter(Boolean).join(',');
  return { ...env, NO_PROXY: local, no_proxy: local };
}

/**
 * The environment of the API and, through the worker, of the flow runs.
 * @param {Settings} settings @param {{ database: string, destination: string, prefectApis: string[] }} urls
 */
export function sluiceEnvironment(settings, urls) {
  const { env } = settings;
  return {
    ...baseEnvironment(settings),
    NODE_ENV: env.NODE_ENV || 'production',
    DATABASE_URL: urls.database,
    DESTINATION_URL: urls.destination,
    PREFECT_API_URL: urls.prefectApis.join(','),
    SLUICE_SECRET_KEY: settings.secrets.secretKey,
    SLUICE_FILE_ROOTS: env.SLUICE_FILE_ROOTS || join(ROOT, 'data'),
    SLUICE_RUNNER_COMMAND: env.SLUICE_RUNNER_COMMAND || `${quoted(process.execPath)} dist/apps/flow-runner/main.js`,
    SLUICE_PREVIEW_COMMAND: env.SLUICE_PREVIEW_COMMAND || `${quoted(process.execPath)} dist/apps/preview/main.js`,
    SLUICE_RUNNER_WORKING_DIR: env.SLUICE_RUNNER_WORKING_DIR || ROOT,
  };
}

/** For Prefect, and for previews, which take a command apart like a shell. @param {string} path */
function quoted(path) {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'"'"'`)}'`;
}

/** @param {Settings} settings @returns {Record<string, string>} headers with which Prefect is asked */
export function prefectHeaders({ env }) {
  const auth = env.PREFECT_API_AUTH_STRING;
  return auth ? { authorization: `Basic ${Buffer.from(auth).toString('base64')}` } : {};
}
