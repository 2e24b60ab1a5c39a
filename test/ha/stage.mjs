import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { startApiPart, startPostgresPart, startWorkerPart } from '../../tools/stack/parts.mjs';
import { freePort } from '../../tools/stack/ports.mjs';
import { HA_LOCK, prefectPython } from '../../tools/stack/venv.mjs';
import { Balancer } from './balancer.mjs';
import { backgroundServices, migratePrefect, Part, replica } from './prefect-cluster.mjs';
import { startRedis } from './redis.mjs';
import { behindProxy } from './sluice.mjs';
import { Timeline } from './timeline.mjs';

const REPLICAS = 2;

/** @typedef {import('../../tools/stack/settings.mjs').Settings} Settings */
/** @typedef {import('./prefect-cluster.mjs').Cluster} Cluster */

/**
 * @typedef {object} Scene all that the faults and the clients need
 * @property {Timeline} timeline
 * @property {import('./verdicts.mjs').Verdicts} verdicts
 * @property {Balancer} balancer
 * @property {Part[]} replicas
 * @property {number[]} ports of the replicas
 * @property {Part} services
 * @property {Part} worker
 * @property {ReturnType<typeof import('../../tools/stack/parts.mjs').addresses>} urls
 * @property {string} data folder with the files to load
 */

/**
 * Two Prefect servers behind a balancer, their background services, PostgreSQL and Redis; Sluice's API and worker in front.
 * @param {string} folder @param {string} redis its program @param {import('./verdicts.mjs').Verdicts} verdicts @returns {Promise<Scene>}
 */
export async function setUp(folder, redis, verdicts) {
  const { settings, urls, data, proxyPort } = await behindProxy(folder);
  const timeline = new Timeline(`${urls.api}/api/v1`);
  const python = await prefectPython({ lockFile: HA_LOCK, report: (what) => timeline.tell(what) });
  await startPostgresPart(settings, () => {});
  const redisPort = await redisIn(folder, settings, redis);
  timeline.tell('PostgreSQL and Redis run');
  const home = join(folder, 'prefect');
  const cluster = { python, databaseUrl: urls.prefectDatabase, redisPort, home, logs: settings.logs };
  const prefect = await startCluster(cluster, timeline);
  const named = prefect.ports.map((port, index) => ({ name: `replica ${index + 1}`, port }));
  const balancer = new Balancer(proxyPort, named, (what) => timeline.tell(what));
  await balancer.start();
  await startApiPart(settings);
  const worker = workerOf(settings, python);
  await worker.start();
  timeline.tell('API and worker run');
  return { timeline, verdicts, balancer, ...prefect, worker, urls, data };
}

/** @param {string} folder @param {Settings} settings @param {string} program @returns {Promise<number>} its port */
async function redisIn(folder, { logs }, program) {
  const port = await freePort();
  await startRedis({ program, port, folder: join(folder, 'redis'), logFile: join(logs, 'redis.log') });
  return port;
}

/** @param {Cluster} cluster @param {Timeline} timeline */
async function startCluster(cluster, timeline) {
  await mkdir(cluster.home);
  await migratePrefect(cluster);
  timeline.tell("Prefect's database is migrated");
  const ports = await Promise.all(Array.from({ length: REPLICAS }, () => freePort()));
  const replicas = ports.map((port, index) => replica(cluster, `replica ${index + 1}`, port));
  const services = backgroundServices(cluster);
  // One after the other: two that start at once on an empty database both register the block types, and one of them ends.
  for (const part of [...replicas, services]) await part.start();
  timeline.tell('two replicas and the background services run');
  return { replicas, ports, services };
}

/** @param {Settings} settings @param {string} python */
function workerOf(settings, python) {
  return new Part('the worker', async () => {
    const service = await startWorkerPart(settings, async () => python);
    if (service === null) throw new Error('The work pool is not one for processes.');
    return service;
  });
}
