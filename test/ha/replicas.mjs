import { setTimeout as pause } from 'node:timers/promises';
import pg from 'pg';
import { CHECK_EVERY_MS, CHECK_TIMEOUT_MS } from './balancer.mjs';
import { Clients, makeIngestion, rowsLaid, untilEnded } from './clients.mjs';
import { differences, executions, flowRunsOf } from './prefect-reads.mjs';
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

/** From the end of the runs here until Prefect says the same. */
const AGREED_MS = 60_000;

const DEMANDS = {
  ended: 'no trigger lost',
  ran: 'each trigger ran, unless the worker gave it up',
  refused: 'what was refused never ran',
  once: 'no trigger doubled',
  agreed: 'Sluice and Prefect agree',
  rows: 'each row once',
  answers: 'answers only 2xx, 409 and 503',
  slowest: `no answer after more than ${SLOWEST_MS} ms`,
  last503: `no 503 to what is asked ${LAST_503_MS / 1000} s after a fault`,
};
export const DEMANDS_OF_REPLICAS = Object.values(DEMANDS);

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
  scene.timeline.strike(`kill -9 ${replica.name}`);
  await replica.kill();
  await pause(FAULT_MS);
  scene.timeline.begin(`${replica.name} starts again`);
  await replica.start();
  await settled(scene);
}

/** @param {Scene} scene @param {Part} replica */
async function frozen(scene, replica) {
  scene.timeline.strike(`freeze ${replica.name}`);
  replica.freeze();
  await pause(FAULT_MS);
  scene.timeline.begin(`${replica.name} goes on`);
  replica.thaw();
  await settled(scene);
}

/** @param {Scene} scene */
async function badNet({ timeline, balancer: { proxy } }) {
  timeline.strike('all connections cut, each second');
  for (let times = 0; times < 5; times += 1) {
    proxy.cut();
    await pause(1_000);
  }
  timeline.strike('each packet 100 ms late');
  proxy.delayMs = 100;
  await pause(FAULT_MS / 2);
  proxy.delayMs = 0;
  timeline.strike('nothing passes for 2 s');
  proxy.freeze();
  await pause(2_000);
  proxy.thaw();
  await pause(SETTLE_MS);
  timeline.strike(`nobody answers for ${OUTAGE_MS / 1000} s`, OUTAGE_MS);
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
  verdicts.say(DEMANDS.ended, ended.length === accepted.length, `${accepted.length} accepted, ended: ${tally(ended)}`);
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
  verdicts.say(DEMANDS.refused, asked > 0 && ran.length === 0, figures);
  const handedOver = rows.filter((run) => run.flow_run_id !== null);
  const { flowRuns, apart, ms } = await untilAgreed(urls.prefectApi, ingestions, handedOver);
  const { instead, wrong } = executions(accepted, rows, flowRuns);
  for (const line of [...wrong, ...apart]) console.log(`        ${line}`);
  verdicts.say(
    DEMANDS.once,
    wrong.length === 0,
    `${flowRuns.length} flow runs for ${accepted.length} triggers, ${instead.length} of them in place of one that the worker gave up, ${wrong.length} wrong`,
  );
  const when = `${(ms / 1000).toFixed(1)} s after the last run had ended`;
  verdicts.say(DEMANDS.agreed, apart.length === 0, `${handedOver.length} runs, ${apart.length} differ ${when}`);
}

/**
 * A run ends here first, and then in Prefect. @param {string} prefectApi @param {import('./clients.mjs').Loaded[]} ingestions
 * @param {import('./flow-run-verdicts.js').SeenRun[]} runs
 */
async function untilAgreed(prefectApi, ingestions, runs) {
  const begun = performance.now();
  for (;;) {
    const flowRuns = (await Promise.all(ingestions.map(({ id }) => flowRunsOf(prefectApi, id)))).flat();
    const apart = differences(runs, flowRuns);
    const ms = performance.now() - begun;
    if (apart.length === 0 || ms > AGREED_MS) return { flowRuns, apart, ms };
    await pause(500);
  }
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
  verdicts.say(DEMANDS.ran, others === 0, figures);
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
  verdicts.say(DEMANDS.rows, laid === there && there === different, figures);
}

/** @param {Scene} scene */
function judgeAnswers({ timeline, verdicts }) {
  const others = timeline.answers.filter((answer) => !isExpected(answer));
  verdicts.say(DEMANDS.answers, others.length === 0, `${timeline.answers.length} answers, ${others.length} others`);
  const slowest = Math.max(...timeline.answers.map(({ ms }) => ms));
  verdicts.say(DEMANDS.slowest, slowest <= SLOWEST_MS, `slowest ${slowest.toFixed(0)} ms`);
  const late = timeline.phases.map((phase) => last503(timeline.answers, phase, timeline.phases) ?? 0);
  const refused = timeline.answers.filter(({ status }) => status === 503).length;
  verdicts.say(
    DEMANDS.last503,
    Math.max(...late) <= LAST_503_MS,
    `${refused} in all, the last ${(Math.max(...late) / 1000).toFixed(1)} s after its fault or the end of the outage`,
  );
}

/** @param {string[]} values */
function tally(values) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].map(([value, count]) => `${count} ${value}`).join(', ') || 'none';
}
