import { inOwnFolder } from './program.mjs';
import { findRedis } from './redis.mjs';
import { faultsOfReplicas } from './replicas.mjs';
import { faultOfServices } from './services.mjs';
import { setUp } from './stage.mjs';
import { tableOf } from './timeline.mjs';

const ACTS = { replicas: faultsOfReplicas, services: faultOfServices };
/** The acts take about eight minutes; if something hangs, this ends it. */
const LIMIT_MS = 10 * 60_000;

/** @typedef {(scene: import('./stage.mjs').Scene) => Promise<void>} Act */

/** Sluice before a highly available Prefect. @param {string[]} args `--only=replicas` or `--only=services` plays one act */
export async function run(args) {
  const only = args.find((arg) => arg.startsWith('--only='))?.slice('--only='.length);
  const acts = Object.entries(ACTS).filter(([name]) => only === undefined || name === only);
  if (acts.length === 0) {
    console.error(`--only=${only} is none of ${Object.keys(ACTS).join(', ')}.`);
    return 2;
  }
  const redis = await findRedis();
  if (redis === null) {
    const why = 'there is no redis-server on the PATH, and two Prefect servers need one';
    console.log(`SKIPPED: ${why}. Install Redis (or Valkey) to run this.`);
    return 0;
  }
  return inOwnFolder('ha', (folder) =>
    play(
      folder,
      redis,
      acts.map(([, act]) => act),
    ),
  );
}

/** @param {string} folder @param {string} redis its program @param {Act[]} acts */
async function play(folder, redis, acts) {
  const scene = await setUp(folder, redis);
  try {
    await inTime(playAll(scene, acts));
  } finally {
    await scene.balancer.stop();
    console.log(`\n${tableOf(scene.timeline)}\n`);
  }
  return scene.verdicts.exitCode;
}

/** @param {import('./stage.mjs').Scene} scene @param {Act[]} acts */
async function playAll(scene, acts) {
  for (const act of acts) await act(scene);
  scene.timeline.begin('the end');
}

/** @param {Promise<void>} work */
async function inTime(work) {
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`It was not over after ${LIMIT_MS / 60_000} minutes.`)), LIMIT_MS);
  });
  await Promise.race([work, late]).finally(() => clearTimeout(timer));
}
