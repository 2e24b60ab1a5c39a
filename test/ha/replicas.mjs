import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { CHECK_EVERY_MS, CHECK_TIMEOUT_MS } from './balancer.mjs';
import { Clients, makeIngestion, rowsLaid, untilEnded } from './clients.mjs';
import { agree, flowRunsOf } from './prefect-reads.mjs';
import { isExpected, last503 } from './timeline.mjs';

const CLIENTS = 4;
const CALM_MS = 8_000;
const FAULT_MS = 10_000;
const SETTLE_MS = 3_000;
/** Long enough that triggers are refused: what was refused must never run. */
const OUTAGE_MS = 8_000;
const BACK_MS = 90_000;
const END_MS = 120_000;
/** The API's budget for one operation, and what a busy machine adds. */
const SLOWEST_MS = 5_500;
const SLACK_MS = 1_000;
const LAST_503_MS = CHECK_EVERY_MS + CHECK_TIMEOUT_MS + SLACK_MS;

/** @typedef {import('./stage.mjs').Scene} Scene */
/** @typedef {import('./prefect-cluster.mjs').Part} Part */

/** Kills and freezes the replicas one after the other under load, then plays with the net between. @param {Scene} scene */
export async function faultsOfReplicas(scene) {
  const { timeline, data } = scene;
  const ingestions = [];
  for (let n = 1; n <= CLIENTS; n += 1) ingestions.push(await makeIngestion(timeline, data, `ha_${n}`));
  const clients = new Clients(timeline, ingestions);
  timeline.begin('calm');
  clients.start();
  await pause(CALM_MS);
  for (const replica of scene.replicas) await killed(scene, replica);
  for (const replica of scene.replicas) await frozen(scene, replica);
  await badNet(scene);
  timeline.begin('afterwards');
  await clients.stop();
  await clients.finish();
  await judge(scene, clients.accepted, ingestions);
}

/** @param {Scene} scene @param {Part} replica */
async function killed(scene, replica) {
  scene.timeline.begin(`kill -9 ${replica.name}`);
  await replica.kill();
  await pause(FAULT_MS);
  scene.timeline.begin(`${replica.name} starts again`);
  await replica.start();
  await settled(scene);
}

/** @param {Scene} scene @param {Part} replica */
async function frozen(scene, replica) {
  scene.timeline.begin(`freeze ${replica.name}`);
  replica.freeze();
  await pause(FAULT_MS);
  scene.timeline.begin(`${replica.name} goes on`);
  replica.thaw();
  await settled(scene);
}

/** @param {Scene} scene */
async function badNet({ timeline, balancer: { proxy } }) {
  timeline.begin('all connections cut, each second');
  for (let times = 0; times < 5; times += 1) {
    proxy.cut();
    await pause(1_000);
  }
  timeline.begin('each packet 100 ms late');
  proxy.delayMs = 100;
  await pause(FAULT_MS / 2);
  proxy.delayMs = 0;
  timeline.begin('nothing passes for 2 s');
  proxy.freeze();
  await pause(2_000);
  proxy.thaw();
  await pause(SETTLE_MS);
  timeline.begin(`nobody answers for ${OUTAGE_MS / 1000} s`, OUTAGE_MS);
  await proxy.refuse();
  await pause(OUTAGE_MS);
  await proxy.listen();
  await pause(FAULT_MS);
}

/** Both replicas serve again, and the next fault begins from calm. @param {Scene} scene */
async function settled({ balancer, ports }) {
  const until = performance.now() + BACK_MS;
  while (!ports.every((port) => balancer.isReady({ port, name: '' }))) {
    if (performance.now() > until)
      throw new Error(`Not both replicas serve ${BACK_MS / 1000} s after the fault ended.`);
    await pause(100);
  }
  await pause(SETTLE_MS);
}

/** @param {Scene} scene @param {string[]} accepted @param {import('./clients.mjs').Loaded[]} ingestions */
async function judge(scene, accepted, ingestions) {
  const { timeline, verdicts, urls } = scene;
  const statuses = await Promise.all(accepted.map((run) => untilEnded(timeline, run, END_MS)));
  const ended = statuses.filter((status) => !['queued', 'running'].includes(status));
  verdicts.say(
    'no trigger lost',
    ended.length === accepted.length,
    `${accepted.length} accepted, ended: ${tally(ended)}`,
  );
  const control = new pg.Client({ connectionString: urls.database });
  const destination = new pg.Client({ connectionString: urls.destination });
  await Promise.all([control.connect(), destination.connect()]);
  try {
    await judgeRuns(scene, control, accepted, ingestions);
    await judgeRows(scene, destination, ingestions);
  } finally {
    await Promise.all([control.end(), destination.end()]);
  }
  judgeAnswers(scene);
}

/** @param {Scene} scene @param {pg.Client} control @param {string[]} accepted @param {import('./clients.mjs').Loaded[]} ingestions */
async function judgeRuns({ timeline, verdicts, urls }, control, accepted, ingestions) {
  const { rows } = await control.query(
    'SELECT id, flow_run_id, status, started_at FROM sluice_control.run WHERE ingestion_id = ANY ($1)',
    [ingestions.map(({ id }) => id)],
  );
  const promised = new Set(accepted);
  judgeEnds(
    verdicts,
    rows.filter(({ id }) => promised.has(id)),
  );
  const refused = rows.filter(({ id }) => !promised.has(id));
  const ran = refused.filter((run) => run.started_at !== null);
  const asked = timeline.answers.filter(({ kind, status }) => kind === 'trigger' && status === 503).length;
  const figures = `${asked} triggers answered 503, ${refused.length} of them with a run, ${ran.length} of these ran`;
  verdicts.say('what was refused never ran', asked > 0 && ran.length === 0, figures);
  const flowRuns = (await Promise.all(ingestions.map(({ id }) => flowRunsOf(urls.prefectApi, id)))).flat();
  const twice = accepted.filter((run) => flowRuns.filter((each) => each.parameters.run_id === run).length !== 1);
  verdicts.say(
    'no trigger doubled',
    twice.length === 0,
    `${flowRuns.length} flow runs for ${accepted.length} triggers`,
  );
  const state = new Map(flowRuns.map((each) => [each.id, each.state_type]));
  const apart = rows.filter((run) => run.flow_run_id !== null && !agree(run.status, state.get(run.flow_run_id)));
  verdicts.say('Sluice and Prefect agree', apart.length === 0, `${rows.length} runs, ${apart.length} differ`);
}

/**
 * Prefect's worker reports a flow run as crashed when its own connection for events breaks while it starts the process: that run ended
 * and nothing of it was loaded, so it is neither lost nor doubled, and the next trigger loads its file.
 * @param {import('./verdicts.mjs').Verdicts} verdicts @param {{ status: string, started_at: Date | null }[]} runs
 */
function judgeEnds(verdicts, runs) {
  const neverBegan = runs.filter((run) => run.status === 'crashed' && run.started_at === null).length;
  const others = runs.filter((run) => run.status !== 'success').length - neverBegan;
  const figures = `${runs.length - neverBegan - others} succeeded, ${neverBegan} crashed in Prefect's worker before they began, ${others} others`;
  verdicts.say('each trigger ran, unless the worker gave it up', others === 0, figures);
}

/** @param {Scene} scene @param {pg.Client} destination @param {import('./clients.mjs').Loaded[]} ingestions */
async function judgeRows({ verdicts }, destination, ingestions) {
  let [laid, there, different] = [0, 0, 0];
  for (const ingestion of ingestions) {
    const sql = `SELECT count(*)::int AS there, count(DISTINCT id)::int AS different FROM public.${ingestion.table}`;
    const { rows } = await destination.query(sql);
    laid += rowsLaid(ingestion);
    there += rows[0].there;
    different += rows[0].different;
  }
  const figures = `${laid} rows laid, ${there} there, ${laid - different} lost, ${there - different} doubled`;
  verdicts.say('each row once', laid === there && there === different, figures);
}

/** @param {Scene} scene */
function judgeAnswers({ timeline, verdicts }) {
  const others = timeline.answers.filter((answer) => !isExpected(answer));
  verdicts.say(
    'answers only 2xx, 409 and 503',
    others.length === 0,
    `${timeline.answers.length} answers, ${others.length} others`,
  );
  const slowest = Math.max(...timeline.answers.map(({ ms }) => ms));
  verdicts.say(`no answer after more than ${SLOWEST_MS} ms`, slowest <= SLOWEST_MS, `slowest ${slowest.toFixed(0)} ms`);
  const late = timeline.phases.map((phase) => (last503(timeline.answersIn(phase), phase) ?? 0) - phase.outageMs);
  const refused = timeline.answers.filter(({ status }) => status === 503).length;
  verdicts.say(
    `no 503 to what is asked ${LAST_503_MS / 1000} s after a fault`,
    Math.max(...late) <= LAST_503_MS,
    `${refused} in all, the last ${(Math.max(0, ...late) / 1000).toFixed(1)} s after its fault or the end of the outage`,
  );
}

/** @param {string[]} values */
function tally(values) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].map(([value, count]) => `${count} ${value}`).join(', ') || 'none';
}
