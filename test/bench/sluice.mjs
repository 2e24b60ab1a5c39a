import { watchMemory } from './memory.mjs';
import { call } from './stack.mjs';

/**
 * @typedef {object} Stack
 * @property {string} apiUrl with the base path
 * @property {string} destinationUrl
 * @property {string} data the folder of all files
 * @property {number} parentPid whose child the flow-runner is
 * @property {() => Promise<number>} [execute] where no worker does it: executes the run just asked for; the seconds of its process
 * @property {() => Promise<void>} stop
 */
/** @typedef {{ seconds: number, memory: number | null, processSeconds?: number }} Measured seconds of the load step; MiB of the process at its peak, with all its children */

/**
 * An ingestion without a timetable; what is left out is plain.
 * @param {Stack} stack
 * @param {{ name: string, folder: string, pattern?: string, type?: string, table: string, mergeKeys?: string[] }} order
 * @returns {Promise<string>} its id
 */
export async function createIngestion(
  { apiUrl },
  { name, folder, pattern = '*', type = 'csv', table, mergeKeys = [] },
) {
  const { id } = await call(apiUrl, 'POST', '/ingestions', {
    name,
    source: { type: 'file', path: folder, file_pattern: pattern },
    format: { type },
    destination: {
      schema: 'public',
      table,
      write_mode: mergeKeys.length === 0 ? 'append' : 'merge',
      ...(mergeKeys.length === 0 ? {} : { merge_keys: mergeKeys }),
    },
    schedule: { frequency: 'manual' },
  });
  return id;
}

/**
 * One run, by Prefect's worker or without it, which must bring `rows` rows.
 * @param {Stack} stack @param {string} id of the ingestion @param {number} rows @returns {Promise<Measured>}
 */
export async function load({ apiUrl, parentPid, execute }, id, rows) {
  const memory = watchMemory(parentPid, 'flow-runner');
  const { run_id } = await call(apiUrl, 'POST', `/ingestions/${id}/run`);
  const processSeconds = await execute?.();
  const done = await ended(apiUrl, run_id);
  const peak = await memory.stop();
  if (done.status !== 'success' || done.metrics.rows_ingested !== rows)
    throw new Error(`The run should have brought ${rows} rows and ended so: ${JSON.stringify(done)}`);
  return {
    seconds: done.metrics.duration_ms / 1000,
    memory: peak,
    ...(processSeconds !== undefined && { processSeconds }),
  };
}

/** @param {string} apiUrl @param {string} runId @returns {Promise<any>} the run once it has ended */
export async function ended(apiUrl, runId) {
  for (;;) {
    const found = await call(apiUrl, 'GET', `/runs/${runId}`);
    if (!['queued', 'running'].includes(found.status)) return found;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}
