import { readdir } from 'node:fs/promises';
import { join, relative, resolve } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { StackError } from './errors.mjs';
import { ROOT } from './folders.mjs';
import { secondsSince } from './progress.mjs';

const SCHEMA = 'sample';
const FOLDER = join(ROOT, 'data', 'sample');
const RUN_MS = 180_000;
const TERMINAL = new Set(['success', 'partial', 'failed', 'cancelled', 'crashed', 'skipped']);
const SHOWN_ROWS = 3;
const SHOWN_COLUMNS = 6;
const SHOWN_WIDTH = 22;

/** @typedef {{ table: string, run: any, seconds: string, rows: number }} Loaded */

/**
 * Loads each folder of the bundled sample the way every file goes: ingestion, trigger, flow run. What was loaded before is not loaded again.
 * @param {{ apiUrl: string, destinationUrl: string, report?: (detail: string) => void }} options
 * @returns {Promise<Loaded[]>}
 */
export async function loadSample({ apiUrl, destinationUrl, report = () => {} }) {
  const folders = await readdir(FOLDER, { withFileTypes: true });
  const tables = folders
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
  let done = 0;
  report(`0 of ${tables.length} tables`);
  const runs = await Promise.all(
    tables.map(async (table) => {
      const run = await loadTable(apiUrl, table);
      report(`${(done += 1)} of ${tables.length} tables`);
      return run;
    }),
  );
  return Promise.all(runs.map(async (run) => ({ ...run, rows: await countRows(destinationUrl, run.table) })));
}

/** @param {string} apiUrl @param {string} table */
async function loadTable(apiUrl, table) {
  const begun = performance.now();
  const id = await ensureIngestion(apiUrl, table);
  const run = await finished(apiUrl, await trigger(apiUrl, id));
  if (run.status !== 'success')
    throw new StackError(
      `The run ${run.id} of the sample ${table} ended as ${run.status}: ${run.errors?.[0]?.message ?? 'no reason was recorded'}`,
    );
  return { table, run, seconds: secondsSince(begun) };
}

/** @param {string} apiUrl @param {string} table @returns {Promise<string>} its id */
async function ensureIngestion(apiUrl, table) {
  const name = `sample_${table}`;
  const found = await call(apiUrl, 'GET', `/ingestions?name=${encodeURIComponent(name)}`);
  const existing = found.body.items.find((/** @type {any} */ item) => item.name === name);
  if (existing !== undefined) return existing.id;
  const created = await call(apiUrl, 'POST', '/ingestions', {
    name,
    source: { type: 'file', path: `./${relative(ROOT, join(FOLDER, table))}`, file_pattern: '*' },
    format: { type: 'auto' },
    destination: { schema: SCHEMA, table, write_mode: 'append' },
    schedule: { frequency: 'manual' },
  });
  return created.body.id;
}

/** @param {string} apiUrl @param {string} id @returns {Promise<string>} id of the run; when one is under way, of that one */
async function trigger(apiUrl, id) {
  const { body } = await call(apiUrl, 'POST', `/ingestions/${id}/run`, undefined, [409]);
  if (body.run_id === undefined) throw new StackError(`The sample cannot be loaded now: ${body.detail}`);
  return body.run_id;
}

/** @param {string} apiUrl @param {string} runId */
async function finished(apiUrl, runId) {
  for (const deadline = Date.now() + RUN_MS; Date.now() < deadline; await pause(150)) {
    const { body } = await call(apiUrl, 'GET', `/runs/${runId}`);
    if (TERMINAL.has(body.status)) return body;
  }
  throw new StackError(
    `The run ${runId} of the sample has not ended within ${RUN_MS / 1000} s. Look into logs/prefect-worker.log and at the flow run in Prefect's UI.`,
  );
}

/**
 * @param {string} apiUrl @param {string} method @param {string} path @param {unknown} [body] @param {number[]} [expected] statuses that are no failure here
 * @returns {Promise<{ status: number, body: any }>}
 */
async function call(apiUrl, method, path, body, expected = []) {
  const answer = await fetch(`${apiUrl}/api/v1${path}`, {
    method,
    headers: body === undefined ? {} : { 'content-type': 'application/json' },
    body: body === undefined ? null : JSON.stringify(body),
    signal: AbortSignal.timeout(30_000),
  });
  const text = await answer.text();
  if (answer.ok || expected.includes(answer.status)) return { status: answer.status, body: JSON.parse(text) };
  throw new StackError(`${method} ${path} answered ${answer.status}: ${detailOf(text)}`);
}

/** @param {string} text */
function detailOf(text) {
  try {
    const { detail, errors = [] } = JSON.parse(text);
    return [detail, ...errors.map((/** @type {any} */ error) => `${error.path}: ${error.message}`)].join('; ');
  } catch {
    return text.slice(0, 200);
  }
}

/** @param {string} url @param {string} table */
async function countRows(url, table) {
  const [row] = await query(url, `SELECT count(*)::int AS rows FROM ${SCHEMA}.${table}`);
  return row.rows;
}

/** @param {string} url @param {string} sql @returns {Promise<any[]>} */
async function query(url, sql) {
  const { withClient } = await import('./postgres.mjs');
  return withClient(url, async (client) => (await client.query(sql)).rows);
}

/** The tables, and a few rows of one, as lines of text. @param {Loaded[]} loaded @param {string} destinationUrl */
export async function sampleReport(loaded, destinationUrl) {
  const header = ['table', 'rows', 'new rows', 'files', 'load', 'with Prefect'];
  const lines = loaded.map(({ table, rows, run, seconds }) => {
    const { rows_ingested: fresh, files_processed: files, duration_ms: ms } = run.metrics;
    return [
      `${SCHEMA}.${table}`,
      number(rows),
      number(fresh),
      number(files),
      `${(ms / 1000).toFixed(2)} s`,
      seconds.trim(),
    ];
  });
  const shown = loaded.find(({ table }) => table === 'seattle_weather') ?? loaded[0];
  if (shown === undefined) return [];
  return [
    ...columns([header, ...lines], true),
    '',
    `The first rows of ${SCHEMA}.${shown.table}:`,
    ...(await firstRows(destinationUrl, shown.table)),
  ];
}

/** @param {string} url @param {string} table */
async function firstRows(url, table) {
  const names = (
    await query(
      url,
      `SELECT column_name AS name FROM information_schema.columns
       WHERE table_schema = '${SCHEMA}' AND table_name = '${table}' AND column_name NOT LIKE '\\_%' ORDER BY ordinal_position LIMIT ${SHOWN_COLUMNS}`,
    )
  ).map((row) => row.name);
  const list = names.map((name) => `"${name}"::text`).join(', ');
  const rows = await query(url, `SELECT ${list} FROM ${SCHEMA}.${table} ORDER BY 1 LIMIT ${SHOWN_ROWS}`);
  return columns([names, ...rows.map((row) => names.map((name) => row[name] ?? 'NULL'))], false);
}

/** @param {string[][]} rows @param {boolean} right whether all but the first column stand to the right */
function columns(rows, right) {
  const cut = rows.map((row) =>
    row.map((cell) => (cell.length > SHOWN_WIDTH + 6 ? `${cell.slice(0, SHOWN_WIDTH)}…` : cell)),
  );
  const widths = (cut[0] ?? []).map((_, index) => Math.max(...cut.map((row) => row[index]?.length ?? 0)));
  const align = (/** @type {string} */ cell, /** @type {number} */ index) =>
    right && index > 0 ? cell.padStart(widths[index] ?? 0) : cell.padEnd(widths[index] ?? 0);
  return cut.map((row) => `  ${row.map(align).join('  ')}`.trimEnd());
}

/** @param {number} value */
function number(value) {
  return value.toLocaleString('en-US');
}

/** Whether the sample lies where Sluice may read. @param {NodeJS.ProcessEnv} env */
export function sampleIsReadable(env) {
  const roots = (env.SLUICE_FILE_ROOTS || join(ROOT, 'data')).split(':').filter(Boolean);
  return roots.some((root) => !relative(resolve(ROOT, root), FOLDER).startsWith('..'));
}
