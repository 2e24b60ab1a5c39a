import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { differences, flowRunsOf } from '../../ha/prefect-reads.mjs';
import { call, median } from '../stack.mjs';

const MINUTE_MS = 60_000;
/** Creations at the same time, and how many a second are counted on. */
const CREATORS = 6;
const CREATED_PER_SECOND = 4;
const CREATE_ATTEMPTS = 10;
/** From the last creation until they are due, so that all are planned. */
const PLANNING_MS = 45_000;
const ROWS = 3;
/** What one run may take when all wait for their turn. */
const PER_RUN_MS = 3_000;
const REPORT_EVERY_MS = 15_000;
/** So many runs tell where the time goes. */
const SAMPLE = 50;

/** @typedef {import('../soak.mjs').Bench} Bench */
/** @typedef {{ id: string, table: string }} Due */

/** Many ingestions due in the same minute: all run, none twice. @param {Bench} bench @param {number} count */
export async function burst(bench, count) {
  const ready = Date.now() + (count / CREATED_PER_SECOND) * 1000 + PLANNING_MS;
  const due = Math.ceil(ready / MINUTE_MS) * MINUTE_MS;
  const begun = performance.now();
  const ingestions = await createAll(bench, count, due);
  const seconds = (performance.now() - begun) / 1000;
  console.log(`${count} ingestions made in ${seconds.toFixed(0)} s, due at ${new Date(due).toISOString()}`);
  if (Date.now() > due - MINUTE_MS / 4)
    throw new Error(`They were not made in time: fewer than ${CREATED_PER_SECOND} a second. Take a smaller --burst.`);
  await pause(due - Date.now());
  const allEnded = await untilAllEnded(bench, ingestions, due);
  await judge(bench, ingestions, allEnded);
  await tellTimes(bench, ingestions, due);
}

/** @param {Bench} bench @param {number} count @param {number} due @returns {Promise<Due[]>} */
async function createAll(bench, count, due) {
  /** @type {Due[]} */
  const made = [];
  let next = 0;
  const creator = async () => {
    while (next < count) made.push(await create(bench, (next += 1), due));
  };
  await Promise.all(Array.from({ length: CREATORS }, creator));
  return made;
}

/** @param {Bench} bench @param {number} number @param {number} due @returns {Promise<Due>} */
async function create({ apiUrl, data }, number, due) {
  const [table, at] = [`burst_${number}`, new Date(due)];
  const folder = join(data, table);
  await mkdir(folder);
  await writeFile(
    join(folder, 'rows.csv'),
    `id,origin\n${Array.from({ length: ROWS }, (_, row) => `${row},${number}`).join('\n')}\n`,
  );
  const cron = `${at.getUTCMinutes()} ${at.getUTCHours()} ${at.getUTCDate()} ${at.getUTCMonth() + 1} *`;
  const { id } = await patiently(() =>
    call(apiUrl, 'POST', '/ingestions', {
      name: table,
      source: { type: 'file', path: folder, file_pattern: '*.csv' },
      format: { type: 'csv' },
      destination: { schema: 'public', table, write_mode: 'append' },
      schedule: { frequency: 'custom', cron_expression: cron, timezone: 'UTC' },
    }),
  );
  return { id, table };
}

/** A busy machine may answer 503, after which nothing is there and the name is free. @template T @param {() => Promise<T>} ask @returns {Promise<T>} */
async function patiently(ask) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await ask();
    } catch (error) {
      if (attempt === CREATE_ATTEMPTS || !String(error).includes(': 503 ')) throw error;
      await pause(1_000);
    }
  }
}

/** @param {Bench} bench @param {Due[]} ingestions @param {number} due @returns {Promise<boolean>} */
async function untilAllEnded({ control }, ingestions, due) {
  const sql = `SELECT count(DISTINCT ingestion_id)::int AS ended FROM sluice_control.run WHERE ingestion_id = ANY ($1) AND ended_at IS NOT NULL`;
  const limit = due + MINUTE_MS + ingestions.length * PER_RUN_MS;
  for (let told = 0; Date.now() < limit; await pause(1_000)) {
    const { ended } = (await control.query(sql, [ingestions.map(({ id }) => id)])).rows[0];
    const passed = Date.now() - due;
    if (ended === ingestions.length || passed - told > REPORT_EVERY_MS) {
      told = passed;
      console.log(
        `${(passed / 1000).toFixed(0).padStart(5)} s after they were due: ${ended} of ${ingestions.length} ended`,
      );
    }
    if (ended === ingestions.length) return true;
  }
  return false;
}

/** @param {Bench} bench @param {Due[]} ingestions @param {boolean} allEnded */
async function judge({ control, destination, verdicts, prefectApiUrl }, ingestions, allEnded) {
  const sql =
    'SELECT id, ingestion_id, flow_run_id, status, started_at FROM sluice_control.run WHERE ingestion_id = ANY ($1)';
  const { rows } = await control.query(sql, [ingestions.map(({ id }) => id)]);
  const good = rows.filter(({ status }) => status === 'success').length;
  verdicts.say('all due runs end', allEnded && good === rows.length, `${rows.length} runs, ${good} succeeded`);
  let [twice, apart, there] = [0, 0, 0];
  for (const { id, table } of ingestions) {
    const [ours, theirs] = [rows.filter((run) => run.ingestion_id === id), ran(await flowRunsOf(prefectApiUrl, id))];
    if (ours.length > 1 || theirs.length > 1) twice += 1;
    if (ours.length !== theirs.length || differences(ours, theirs).length > 0) apart += 1;
    there += await rowsIn(destination, table);
  }
  const wanted = ingestions.length * ROWS;
  verdicts.say(
    'none runs twice',
    twice === 0 && there === wanted,
    `${twice} ran twice, ${there} of ${wanted} rows there`,
  );
  verdicts.say('the database and Prefect agree', apart === 0, `${ingestions.length} ingestions, ${apart} differ`);
}

/** The next ones are planned already. @param {import('../../ha/prefect-reads.mjs').FlowRun[]} flowRuns */
function ran(flowRuns) {
  return flowRuns.filter(({ expected_start_time }) => Date.parse(expected_start_time) <= Date.now());
}

/** @param {import('pg').Client} destination @param {string} table @returns {Promise<number>} */
async function rowsIn(destination, table) {
  const there = await destination.query('SELECT to_regclass($1) AS oid', [`public.${table}`]);
  if (there.rows[0].oid === null) return 0;
  return (await destination.query(`SELECT count(*)::int AS rows FROM public.${table}`)).rows[0].rows;
}

/** Where the time of a run goes, from a part of them. @param {Bench} bench @param {Due[]} ingestions @param {number} due */
async function tellTimes({ prefectApiUrl }, ingestions, due) {
  /** @type {{ waited: number, started: number, worked: number }[]} */
  const times = [];
  const every = Math.ceil(ingestions.length / SAMPLE);
  for (const { id } of ingestions.filter((_, index) => index % every === 0)) {
    const [flowRun] = ran(await flowRunsOf(prefectApiUrl, id));
    if (flowRun === undefined) continue;
    const at = await firstTimes(prefectApiUrl, flowRun.id);
    const [pending, running, end] = [at.get('PENDING') ?? NaN, at.get('RUNNING') ?? NaN, at.get('COMPLETED') ?? NaN];
    times.push({ waited: pending - due, started: running - pending, worked: end - running });
  }
  const seconds = (/** @type {keyof times[0]} */ what) => (median(times.map((time) => time[what])) / 1000).toFixed(1);
  console.log(
    `medians of ${times.length} runs: ${seconds('waited')} s for their turn, ${seconds('started')} s from the worker's taking it until its process has it, ${seconds('worked')} s for its work`,
  );
}

/** When a flow run was in each kind of state first, epoch ms. @param {string} prefectApiUrl @param {string} id @returns {Promise<Map<string, number>>} */
async function firstTimes(prefectApiUrl, id) {
  const states = await call(prefectApiUrl, 'GET', `/flow_run_states/?flow_run_id=${id}`);
  return new Map(
    states
      .map((/** @type {{ type: string, timestamp: string }} */ { type, timestamp }) => [type, Date.parse(timestamp)])
      .sort((/** @type {[string, number]} */ a, /** @type {[string, number]} */ b) => b[1] - a[1]),
  );
}
