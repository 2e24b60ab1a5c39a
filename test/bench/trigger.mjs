import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { ended } from './sluice.mjs';
import { benchStack, call, median } from './stack.mjs';

const TRIGGERS = 10;
const CALLS = 30;

/** How long from a trigger until the rows of one small file are visible, and what the API adds to Prefect's own answer. */
export async function bench() {
  const stack = await benchStack();
  const client = new pg.Client({ connectionString: stack.destinationUrl });
  await client.connect();
  try {
    const id = await createIngestion(stack, 'bench trigger');
    const seconds = [];
    for (let round = 1; round <= TRIGGERS; round++) seconds.push(await untilVisible(stack, client, id, round));
    console.log(
      `trigger to visible rows: ${seconds.map((it) => it.toFixed(2)).join(' ')} s, median ${median(seconds).toFixed(2)} s`,
    );
    await overhead(stack);
    return 0;
  } finally {
    await client.end();
    await stack.stop();
  }
}

/** @param {Awaited<ReturnType<typeof benchStack>>} stack @param {string} name @returns {Promise<string>} */
async function createIngestion({ apiUrl, data }, name) {
  const { id } = await call(apiUrl, 'POST', '/ingestions', {
    name,
    source: { type: 'file', path: data, file_pattern: 'small-*.csv' },
    format: { type: 'csv' },
    destination: { schema: 'public', table: 'small', write_mode: 'append' },
    schedule: { frequency: 'manual' },
  });
  return id;
}

/** @param {Awaited<ReturnType<typeof benchStack>>} stack @param {pg.Client} client @param {string} id @param {number} round */
async function untilVisible({ apiUrl, data }, client, id, round) {
  await writeFile(join(data, `small-${round}.csv`), `id,round\n${round},${round}\n`);
  const begun = performance.now();
  const { run_id } = await call(apiUrl, 'POST', `/ingestions/${id}/run`);
  while (!(await visible(client, round))) await new Promise((resolve) => setTimeout(resolve, 10));
  const seconds = (performance.now() - begun) / 1000;
  await ended(apiUrl, run_id);
  return seconds;
}

/** @param {pg.Client} client @param {number} round */
async function visible(client, round) {
  const table = await client.query("SELECT to_regclass('public.small') AS oid");
  if (table.rows[0].oid === null) return false;
  return (await client.query('SELECT 1 FROM public.small WHERE round = $1', [round])).rowCount === 1;
}

/**
 * The API's answer to a trigger against Prefect's own `create_flow_run`, in turn and in changing order, each when nothing else runs.
 * @param {Awaited<ReturnType<typeof benchStack>>} stack
 */
async function overhead(stack) {
  /** @type {{ ours: number[], theirs: number[] }} */
  const times = { ours: [], theirs: [] };
  const id = await createIngestion(stack, 'bench overhead');
  const { prefect_deployment_id: deployment } = await call(stack.apiUrl, 'GET', `/ingestions/${id}`);
  const ways = {
    ours: async () => (await call(stack.apiUrl, 'POST', `/ingestions/${id}/run`)).flow_run_id,
    theirs: async () =>
      (
        await call(stack.prefectApiUrl, 'POST', `/deployments/${deployment}/create_flow_run`, {
          parameters: { ingestion_id: id },
        })
      ).id,
  };
  for (let i = 0; i < CALLS; i++)
    for (const way of /** @type {const} */ (i % 2 === 0 ? ['ours', 'theirs'] : ['theirs', 'ours'])) {
      const [milliseconds, flowRunId] = await timed(ways[way]);
      times[way].push(milliseconds);
      await terminal(stack, flowRunId);
      await settled(stack, id);
    }
  const [mine, prefects] = [median(times.ours), median(times.theirs)];
  console.log(
    `trigger call: ${mine.toFixed(0)} ms, Prefect's create_flow_run alone ${prefects.toFixed(0)} ms, the API adds ${(mine - prefects).toFixed(0)} ms (medians of ${CALLS})`,
  );
}

/** @param {Awaited<ReturnType<typeof benchStack>>} stack @param {string} id */
async function settled({ apiUrl }, id) {
  for (;;) {
    const { items } = await call(apiUrl, 'GET', `/ingestions/${id}/runs?limit=5`);
    if (items.every((/** @type {any} */ run) => !['queued', 'running'].includes(run.status))) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  // The worker's clean-up after a run still takes the processor for a moment.
  await new Promise((resolve) => setTimeout(resolve, 500));
}

/** @param {Awaited<ReturnType<typeof benchStack>>} stack @param {string} flowRunId */
async function terminal({ prefectApiUrl }, flowRunId) {
  for (;;) {
    const { state_type } = await call(prefectApiUrl, 'GET', `/flow_runs/${flowRunId}`);
    if (['COMPLETED', 'FAILED', 'CRASHED', 'CANCELLED'].includes(state_type)) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** @template T @param {() => Promise<T>} work @returns {Promise<[number, T]>} milliseconds and result */
async function timed(work) {
  const begun = performance.now();
  const result = await work();
  return [performance.now() - begun, result];
}
