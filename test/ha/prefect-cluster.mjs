import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from '../../tools/stack/commands.mjs';
import { StackError } from '../../tools/stack/errors.mjs';
import { isReady, prefectEnvironment } from '../../tools/stack/prefect.mjs';
import { indent, signalGroup, startService, untilReady } from '../../tools/stack/processes.mjs';

const START_MS = 120_000;

/** @typedef {import('../../tools/stack/processes.mjs').Service} Service */
/** @typedef {{ python: string, databaseUrl: string, redisPort: number, home: string, logs: string }} Cluster */

/** What all processes of one highly available Prefect share. @param {Cluster} cluster @returns {NodeJS.ProcessEnv} */
function environment({ databaseUrl, redisPort, home }) {
  return {
    ...prefectEnvironment(home, { ...process.env, PREFECT_API_URL: undefined }),
    PREFECT_SERVER_DATABASE_CONNECTION_URL: databaseUrl.replace(/^postgres(ql)?:/, 'postgresql+asyncpg:'),
    PREFECT_SERVER_DATABASE_MIGRATE_ON_START: 'false',
    PREFECT_SERVER_ANALYTICS_ENABLED: 'false',
    PREFECT_SERVER_UI_ENABLED: 'false',
    PREFECT_MESSAGING_BROKER: 'prefect_redis.messaging',
    PREFECT_MESSAGING_CACHE: 'prefect_redis.messaging',
    PREFECT_SERVER_EVENTS_CAUSAL_ORDERING: 'prefect_redis.ordering',
    PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE: 'prefect_redis.lease_storage',
    PREFECT_REDIS_MESSAGING_HOST: '127.0.0.1',
    PREFECT_REDIS_MESSAGING_PORT: String(redisPort),
    PREFECT_REDIS_MESSAGING_DB: '0',
    // Without it several processes with background services would each plan the runs.
    PREFECT_SERVER_DOCKET_URL: `redis://127.0.0.1:${redisPort}/1`,
  };
}

/** Apart from the servers, which would race for it. @param {Cluster} cluster */
export async function migratePrefect(cluster) {
  await mkdir(join(cluster.home, 'tmp'), { recursive: true });
  const { ok, how, output } = await runCommand({
    command: cluster.python,
    args: ['-m', 'prefect', 'server', 'database', 'upgrade', '-y'],
    cwd: cluster.home,
    env: environment(cluster),
    logFile: join(cluster.logs, 'prefect-migration.log'),
  });
  if (!ok) throw new StackError(`Prefect's database could not be migrated (${how}):\n${indent(output)}`);
}

/** A part of the cluster whose process can be killed, frozen and started again. */
export class Part {
  /** @type {Service | null} */
  #service = null;
  #start;

  /** @param {string} name @param {() => Promise<Service>} start */
  constructor(name, start) {
    this.name = name;
    this.#start = start;
  }

  async start() {
    this.#service = await this.#start();
  }

  /** As the kernel's killer of those that take too much memory does it. */
  async kill() {
    signalGroup(this.#pid, 'SIGKILL');
    await this.#service?.ended;
  }

  freeze() {
    signalGroup(this.#pid, 'SIGSTOP');
  }

  thaw() {
    signalGroup(this.#pid, 'SIGCONT');
  }

  get #pid() {
    if (this.#service === null) throw new Error(`${this.name} was not started`);
    return this.#service.pid;
  }
}

/** One that serves the API alone. @param {Cluster} cluster @param {string} name @param {number} port */
export function replica(cluster, name, port) {
  return new Part(name, async () => {
    const address = ['--host', '127.0.0.1', '--port', String(port)];
    const service = await startPrefect(cluster, name, ['server', 'start', '--no-services', ...address]);
    await untilReady(service, () => isReady(`http://127.0.0.1:${port}/api`), { timeoutMs: START_MS });
    return service;
  });
}

/** The scheduler and the others that work behind the API. They have no address to ask: their work shows that they live. @param {Cluster} cluster */
export function backgroundServices(cluster) {
  return new Part('the background services', () =>
    startPrefect(cluster, 'background services', ['server', 'services', 'start']),
  );
}

/** @param {Cluster} cluster @param {string} name @param {string[]} args */
function startPrefect(cluster, name, args) {
  return startService({
    name: `Prefect's ${name}`,
    command: cluster.python,
    args: ['-m', 'prefect', ...args],
    env: environment(cluster),
    cwd: cluster.home,
    logFile: join(cluster.logs, `prefect-${name.replaceAll(' ', '-')}.log`),
  });
}
