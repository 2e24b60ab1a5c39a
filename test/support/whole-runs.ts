import { created, endOf, lines, triggered } from './orders';
import { type System, until, type WireRun } from './system';

/** What the product promises from the death of a process to the end of its run, in both databases. */
export const PROMISED_MS = 90_000;

const FIRST_ROWS = 10;
const MORE_ROWS = 1000;

export interface StartedRun {
  run_id: string;
  flow_run_id: string;
}

/** How a run ended in both databases, and after how long. */
export interface BothEnds {
  status: string;
  type: string;
  errors: string[];
  ms: number;
}

/** An ingestion with ten rows in and a thousand (or so many) to come. */
export async function begun(system: System, table: string, more = MORE_ROWS): Promise<string> {
  await untilPrefectIsBack(system);
  await system.write(`${table}/0.csv`, lines(0, FIRST_ROWS));
  const { id } = await created(system, {
    source: { type: 'file', path: `${system.folder}/${table}`, file_pattern: '*.csv' },
    destination: { schema: 'public', table, write_mode: 'append' },
  });
  expect(await endOf(system, (await triggered(system, id)).run_id)).toMatchObject({ status: 'success' });
  await system.write(`${table}/1.csv`, lines(1000, more));
  return id;
}

export async function untilPrefectIsBack(system: System): Promise<void> {
  await until('Prefect is known to be back', async () => {
    const { body } = await system.api<{ initialized: boolean }>('GET', '/orchestration/status');
    return body.initialized;
  });
}

export async function rowsOf(system: System, table: string): Promise<{ rows: number; ids: number } | undefined> {
  const sql = `SELECT count(*)::int AS rows, count(DISTINCT id)::int AS ids FROM ${table}`;
  return (await system.rows<{ rows: number; ids: number }>(sql))[0];
}

/** Holds the ledger, so that runs stop with their rows copied and nothing committed. Returns how to let it go. */
export async function holdLedger(system: System): Promise<() => Promise<unknown>> {
  const client = await system.connectToDestination();
  await client.query('BEGIN');
  await client.query('LOCK TABLE sluice.ledger IN EXCLUSIVE MODE');
  return () => client.query('ROLLBACK');
}

export async function untilCopied(system: System, runs: number): Promise<void> {
  await until(`${runs} runs have copied their rows`, async () => {
    const waiting = await system.rows(
      "SELECT FROM pg_stat_activity WHERE application_name LIKE 'sluice run %' AND wait_event_type = 'Lock' AND datname = current_database()",
    );
    return waiting.length >= runs;
  });
}

export async function stateOf(system: System, flowRunId: string): Promise<string> {
  return (await system.prefect<{ state: { type: string } }>('GET', `/flow_runs/${flowRunId}`)).body.state.type;
}

/** Until the run and its flow run have ended; says how long that took. */
export async function bothEnd(
  system: System,
  what: string,
  { run_id, flow_run_id }: StartedRun,
  limitMs = PROMISED_MS,
): Promise<BothEnds> {
  const began = Date.now();
  const took = { run: 0, flowRun: 0 };
  let run: WireRun | undefined;
  let type = '';
  await until(
    `${what}: both have ended`,
    async () => {
      const answer = await system.api<WireRun>('GET', `/runs/${run_id}`);
      if (answer.status !== 200) return false;
      run = answer.body;
      type = await stateOf(system, flow_run_id);
      if (!['queued', 'running'].includes(run.status)) took.run ||= Date.now() - began;
      if (['COMPLETED', 'FAILED', 'CRASHED', 'CANCELLED'].includes(type)) took.flowRun ||= Date.now() - began;
      return took.run > 0 && took.flowRun > 0;
    },
    limitMs,
  );
  const seconds = (ms: number) => (ms / 1000).toFixed(1);
  process.stdout.write(
    `${what}: run ${run?.status} after ${seconds(took.run)} s, flow run ${type} after ${seconds(took.flowRun)} s\n`,
  );
  const errors = run?.errors.map(({ message }) => message) ?? [];
  return { status: run?.status ?? '', type, errors, ms: Math.max(took.run, took.flowRun) };
}

/** What `begun` has laid is in, each row once. */
export async function allAreIn(system: System, table: string, more = MORE_ROWS): Promise<void> {
  const all = FIRST_ROWS + more;
  expect(await rowsOf(system, table)).toEqual({ rows: all, ids: all });
}

export async function nextRunLoads(system: System, id: string, table: string, more = MORE_ROWS): Promise<void> {
  expect(await endOf(system, (await triggered(system, id)).run_id)).toMatchObject({ status: 'success' });
  await allAreIn(system, table, more);
}
