import { inOwnFolder } from './program.mjs';
import { findRedis } from './redis.mjs';
import { DEMANDS_OF_REPLICAS, faultsOfReplicas } from './replicas.mjs';
import { DEMANDS_OF_SERVICES, faultOfServices } from './services.mjs';
import { setUp } from './stage.mjs';
import { tableOf } from './timeline.mjs';
import { Verdicts } from './verdicts.mjs';

/** @typedef {{ play: (scene: import('./stage.mjs').Scene) => Promise<void>, demands: string[] }} Act */

/** @type {Record<string, Act>} */
const ACTS = {
  replicas: { play: faultsOfReplicas, demands: DEMANDS_OF_REPLICAS },
  services: { play: faultOfServices, demands: DEMANDS_OF_SERVICES },
};
/** The acts take about eight minutes; if something hangs, this ends it. */
const LIMIT_MS = 10 * 60_000;

/**
 * Sluice before a highly available Prefect. The last line is `N passed, N failed, N skipped`; what was skipped is named.
 * @param {string[]} args `--only=replicas` or `--only=services` plays one act
 */
export async function run(args) {
  const only = args.find((arg) => arg.startsWith('--only='))?.slice('--only='.length);
  const acts = Object.entries(ACTS).flatMap(([name, act]) => (only === undefined || name === only ? [act] : []));
  if (acts.length === 0) {
    console.error(`--only=${only} is none of ${Object.keys(ACTS).join(', ')}.`);
    return 2;
  }
  const verdicts = new Verdicts(acts.flatMap(({ demands }) => demands));
  const redis = await findRedis();
  if (redis !== null) return inOwnFolder('ha', (folder) => play(folder, redis, acts, verdicts));
  console.log('There is no redis-server on the PATH, and two Prefect servers need one: install Redis (or Valkey).');
  verdicts.leaveAll('no redis-server on the PATH');
  return verdicts.report();
}

/** @param {string} folder @param {string} redis its program @param {Act[]} acts @param {Verdicts} verdicts */
async function play(folder, redis, acts, verdicts) {
  try {
    await playIn(await setUp(folder, redis, verdicts), acts);
  } catch (error) {
    console.error(error instanceof Error ? error.stack : error);
  }
  return verdicts.report();
}

/** @param {import('./stage.mjs').Scene} scene @param {Act[]} acts */
async function playIn(scene, acts) {
  try {
    await inTime(playAll(scene, acts));
  } finally {
    await scene.balancer.stop();
    console.log(`\n${tableOf(scene.timeline)}\n`);
  }
}

/** @param {import('./stage.mjs').Scene} scene @param {Act[]} acts */
async function playAll(scene, acts) {
  for (const act of acts) await act.play(scene);
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
