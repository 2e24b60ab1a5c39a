import { setTimeout as pause } from 'node:timers/promises';
import { makeIngestion, layFile, untilEnded } from './clients.mjs';
import { flowRunsOf } from './prefect-reads.mjs';

const RED_MS = 60_000;
const GREEN_MS = 90_000;
const POLL_MS = 500;
const MINUTE_MS = 60_000;
/** The first tick is not due before the scheduler has planned it and we have killed it. */
const LEAD_MS = 20_000;
/** After the last tick of the outage: longer than any patience with a run that is a little late. */
const LATE_MS = 62_000;
const CATCH_UP_MS = 30_000;
const RUN_MS = 60_000;

const DEMANDS = {
  planned: 'timetables are planned',
  dead: `the scheduler counts as dead within ${RED_MS / 1000} s`,
  meanwhile: 'a trigger meanwhile was taken and ran',
  green: 'health is green again after the restart',
};
/** How many of the missed ticks run after all. */
const WANTED = { latest: 1, none: 0 };
/** @typedef {keyof typeof WANTED} Policy */
const POLICIES = /** @type {Policy[]} */ (Object.keys(WANTED));
const missedDemand = (/** @type {Policy} */ policy) =>
  `missed_runs "${policy}" runs ${WANTED[policy]} of the missed ticks`;
const goesOnDemand = (/** @type {Policy} */ policy) => `the timetable of "${policy}" goes on`;
export const DEMANDS_OF_SERVICES = [
  ...Object.values(DEMANDS),
  ...POLICIES.flatMap((policy) => [missedDemand(policy), goesOnDemand(policy)]),
];

/** @typedef {import('./stage.mjs').Scene} Scene */
/** @typedef {import('./clients.mjs').Loaded} Loaded */

/**
 * Kills the background services, and the worker with them, so that two ticks of two timetables are missed; then starts both again. The third
 * tick comes after that.
 * @param {Scene} scene
 */
export async function faultOfServices(scene) {
  const { timeline } = scene;
  timeline.begin('timetables are planned');
  const manual = await makeIngestion(timeline, scene.data, 'ha_by_hand');
  const ticks = nextTicks();
  const [latest, none] = [await onTimetable(scene, 'latest', ticks), await onTimetable(scene, 'none', ticks)];
  await judgePlanned(scene, [latest, none]);
  timeline.strike('kill -9 the background services and the worker');
  await Promise.all([scene.services.kill(), scene.worker.kill()]);
  await judgeRed(scene);
  await layFile(manual);
  const { status, body } = await timeline.ask('trigger', 'POST', `/ingestions/${manual.id}/run`);
  await untilTime(scene, ticks.second + LATE_MS, 'the outage goes on, two ticks are missed');
  timeline.begin('background services and worker start again');
  await Promise.all([scene.services.start(), scene.worker.start()]);
  const back = Date.now();
  const end = status === 202 ? await untilEnded(timeline, body.run_id, RUN_MS) : `answered ${status}`;
  scene.verdicts.say(DEMANDS.meanwhile, end === 'success', `its run: ${end}`);
  await judgeGreen(scene);
  await untilTime(scene, Math.max(back, ticks.third) + CATCH_UP_MS, 'catching up, and the third tick');
  await judgePolicy(scene, 'latest', latest, { ticks, back });
  await judgePolicy(scene, 'none', none, { ticks, back });
}

/** @returns {{ first: number, second: number, third: number }} whole minutes; the third lies behind the outage */
function nextTicks() {
  const first = Math.ceil((Date.now() + LEAD_MS) / MINUTE_MS) * MINUTE_MS;
  return { first, second: first + MINUTE_MS, third: first + 3 * MINUTE_MS };
}

/** @param {Scene} scene @param {Policy} missed @param {{ first: number, second: number, third: number }} ticks */
async function onTimetable({ timeline, data }, missed, { first, second, third }) {
  const minutes = [first, second, third].map((tick) => new Date(tick).getUTCMinutes());
  const cron = `${minutes.sort((a, b) => a - b).join(',')} * * * *`;
  const schedule = { frequency: 'custom', cron_expression: cron, timezone: 'UTC', missed_runs: missed };
  return makeIngestion(timeline, data, `ha_missed_${missed}`, schedule);
}

/** @param {Scene} scene @param {Loaded[]} ingestions */
async function judgePlanned({ timeline, urls, verdicts }, ingestions) {
  const isPlanned = async () => {
    const planned = await Promise.all(ingestions.map(({ id }) => flowRunsOf(urls.prefectApi, id)));
    return planned.every((runs) => runs.length >= 2);
  };
  const ms = await untilTrue(isPlanned, LEAD_MS - 2_000);
  verdicts.say(DEMANDS.planned, ms !== null, ms === null ? 'not' : `after ${(ms / 1000).toFixed(1)} s`);
  timeline.tell('planned');
}

/** @param {Scene} scene */
async function judgeRed(scene) {
  const ms = await untilTrue(async () => (await health(scene)).body.scheduler === 'dead', RED_MS);
  const { status, body } = await health(scene);
  const figures = `${ms === null ? `not within ${RED_MS / 1000} s` : `after ${(ms / 1000).toFixed(1)} s`}, answer ${status}, scheduler ${body.scheduler}, workers ${body.workers_online}`;
  scene.timeline.tell(`health of orchestration: ${figures}`);
  scene.verdicts.say(DEMANDS.dead, ms !== null && status === 503, figures);
}

/** @param {Scene} scene */
async function judgeGreen(scene) {
  const ms = await untilTrue(async () => (await health(scene)).status === 200, GREEN_MS);
  const figures = ms === null ? `not within ${GREEN_MS / 1000} s` : `after ${(ms / 1000).toFixed(1)} s`;
  scene.timeline.tell(`health of orchestration is green again: ${figures}`);
  scene.verdicts.say(DEMANDS.green, ms !== null, figures);
}

/** @param {Scene} scene @returns {Promise<{ status: number, body: any }>} */
async function health({ urls }) {
  const answer = await fetch(`${urls.api}/health/orchestration`);
  return { status: answer.status, body: await answer.json() };
}

/**
 * @param {Scene} scene @param {Policy} policy @param {Loaded} ingestion
 * @param {{ ticks: { first: number, second: number, third: number }, back: number }} expected
 */
async function judgePolicy({ urls, verdicts }, policy, { id }, { ticks, back }) {
  const runs = (await flowRunsOf(urls.prefectApi, id)).map((run) => ({
    ...run,
    due: Date.parse(run.expected_start_time),
  }));
  const missed = runs.filter(({ due }) => due < back && due <= ticks.second);
  const ran = missed.filter((run) => run.state_type === 'COMPLETED');
  const open = missed.filter((run) => ['SCHEDULED', 'PENDING', 'RUNNING'].includes(run.state_type));
  const newest = ran.every(({ due }) => due === ticks.second);
  const figures = `${missed.length} ticks missed, ${ran.length} ran after all, states ${missed.map((run) => run.state_name).join(', ') || 'none'}`;
  verdicts.say(missedDemand(policy), ran.length === WANTED[policy] && newest && open.length === 0, figures);
  const third = runs.find(({ due }) => due === ticks.third);
  verdicts.say(
    goesOnDemand(policy),
    third?.state_type === 'COMPLETED',
    `third tick: ${third?.state_name ?? 'not planned'}`,
  );
}

/** @param {() => Promise<boolean>} ask a throw counts as not yet @param {number} limitMs @returns {Promise<number | null>} how long it took; `null`: not in time */
async function untilTrue(ask, limitMs) {
  const begun = performance.now();
  while (performance.now() - begun < limitMs) {
    if (await ask().catch(() => false)) return performance.now() - begun;
    await pause(POLL_MS);
  }
  return null;
}

/** @param {Scene} scene @param {number} time @param {string} why */
async function untilTime({ timeline }, time, why) {
  timeline.tell(`${why} (${Math.max(0, (time - Date.now()) / 1000).toFixed(0)} s more)`);
  await pause(Math.max(0, time - Date.now()));
}
