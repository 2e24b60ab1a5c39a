import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { startApiPart, startPostgresPart, startWorkerPart } from '../../tools/stack/parts.mjs';
import { freePort } from '../../tools/stack/ports.mjs';
import { HA_LOCK, prefectPython } from '../../tools/stack/venv.mjs';
import { Balancer } from './balancer.mjs';
import { backgroundServices, migratePrefect, Part, replica } from './prefect-cluster.mjs';
import { inOwnFolder } from './program.mjs';
import { findRedis, startRedis } from './redis.mjs';
import { faultsOfReplicas } from './replicas.mjs';
import { faultOfServices } from './services.mjs';
import { behindProxy } from './sluice.mjs';
import { tableOf, Timeline } from './timeline.mjs';
import { Verdicts } from './verdicts.mjs';

const REPLICAS = 2;

/**
 * @typedef {object} Scene all that the faults and the clients need
 * @property {Timeline} timeline
 * @property {Verdicts} verdicts
 * @property {Balancer} balancer
 * @property {Part[]} replicas
 * @property {number[]} ports of the replicas
 * @property {Part} services
 * @property {Part} worker
 * @property {ReturnType<typeof import('../../tools/stack/parts.mjs').addresses>} urls
 * @property {string} data folder with the files to load
 */

const ACTS = { replicas: faultsOfReplicas, services: faultOfServices };

/** Two Prefect servers behind a balancer, and Sluice in front. @param {string[]} args `--only=replicas` or `--only=services` plays one act */
export async function run(args) {
  const only = args.find((arg) => arg.startsWith('--only='))?.slice('--only='.length);
  if (only !== undefined && !(only in ACTS)) {
    console.error(`--only=${only} is none of ${Object.keys(ACTS).join(', ')}.`);
    return 2;
  }
  const redis = await findRedis();
  if (redis === null) {
    console.log(
      'SKIPPED: there is no redis-server on the PATH, and two Prefect servers need one. Install Redis (or Valkey) to run this.',
    );
    return 0;
  }
  const acts = Object.entries(ACTS).filter(([name]) => only === undefined || name === only);
  return inOwnFolder('ha', (folder) =>
    play(
      folder,
      redis,
      acts.map(([, act]) => act),
    ),
  );
}

/** @param {string} folder @param {string} redis @param {((scene: Scene) => Promise<void>)[]} acts */
async function play(folder, redis, acts) {
  const scene = await setUp(folder, redis);
  try {
    for (const act of acts) await act(scene);
    scene.timeline.begin('the end');
  } finally {
    await scene.balancer.stop();
    console.log(`\n${tableOf(scene.timeline)}\n`);
  }
  return scene.verdicts.exitCode;
}

/** @param {string} folder @param {string} redis @returns {Promise<Scene>} */
async function setUp(folder, redis) {
  const { settings, urls, data, proxyPort } = await behindProxy(folder);
  const timeline = new Timeline(`${urls.api}/api/v1`);
  const python = await prefectPython({ lockFile: HA_LOCK, report: (what) => timeline.tell(what) });
  await startPostgresPart(settings, () => {});
  const redisPort = await freePort();
  await startRedis({
    program: redis,
    port: redisPort,
    folder: join(folder, 'redis'),
    logFile: join(settings.logs, 'redis.log'),
  });
  timeline.tell('PostgreSQL and Redis run');
  const cluster = {
    python,
    databaseUrl: urls.prefectDatabase,
    redisPort,
    home: join(folder, 'prefect'),
    logs: settings.logs,
  };
  await mkdir(cluster.home);
  await migratePrefect(cluster);
  timeline.tell("Prefect's database is migrated");
  const { replicas, ports, services, balancer } = await startCluster(cluster, proxyPort, timeline);
  await startApiPart(settings);
  const worker = new Part('the worker', async () => {
    const service = await startWorkerPart(settings, async () => python);
    if (service === null) throw new Error('The work pool is not one for processes.');
    return service;
  });
  await worker.start();
  timeline.tell('API and worker run');
  return { timeline, verdicts: new Verdicts(), balancer, replicas, ports, services, worker, urls, data };
}

/** @param {import('./prefect-cluster.mjs').Cluster} cluster @param {number} proxyPort @param {Timeline} timeline */
async function startCluster(cluster, proxyPort, timeline) {
  const ports = await Promise.all(Array.from({ length: REPLICAS }, () => freePort()));
  const replicas = ports.map((port, index) => replica(cluster, `replica ${index + 1}`, port));
  const services = backgroundServices(cluster);
  // One after the other: two that start at once on an empty database both register the block types, and one of them ends.
  for (const part of [...replicas, services]) await part.start();
  timeline.tell('two replicas and the background services run');
  const named = ports.map((port, index) => ({ name: `replica ${index + 1}`, port }));
  const balancer = new Balancer(proxyPort, named, (what) => timeline.tell(what));
  await balancer.start();
  return { replicas, ports, services, balancer };
}
