import type { Client } from 'pg';
import { created, endInPrefect, endOf, lines, triggered } from '../support/orders';
import { OwnStack } from '../support/own-stack';
import { describeWithPrefect } from '../support/prefect';
import { processWith } from '../support/processes';
import { startSystem, type System, until, type WireRun } from '../support/system';

/** What the product promises from the death of a process to the end of its run, in both databases. */
const PROMISED_MS = 90_000;

describeWithPrefect('a run ends, whatever dies', () => {
  let stack: OwnStack;
  let system: System;
  beforeAll(async () => {
    stack = await OwnStack.start();
    system = await startSystem({}, 8, stack.servers);
  }, 240_000);
  afterAll(async () => {
    await system.stop();
    await stack.stop();
  }, 90_000);

  const rowsOf = async (table: string) =>
    (
      await system.rows<{ rows: number; ids: number }>(
        `SELECT count(*)::int AS rows, count(DISTINCT id)::int AS ids FROM ${table}`,
      )
    )[0];

  /** An ingestion with ten rows in and a thousand to come. */
  const begun = async (table: string): Promise<string> => {
    await until('Prefect is known to be back', async () => {
      const { body } = await system.api<{ initialized: boolean }>('GET', '/orchestration/status');
      return body.initialized;
    });
    await system.write(`${table}/0.csv`, lines(0, 10));
    const { id } = await created(system, {
      source: { type: 'file', path: `${system.folder}/${table}`, file_pattern: '*.csv' },
      destination: { schema: 'public', table, write_mode: 'append' },
    });
    expect(await endOf(system, (await triggered(system, id)).run_id)).toMatchObject({ status: 'success' });
    await system.write(`${table}/1.csv`, lines(1000, 1000));
    return id;
  };

  /** Holds the ledger, so that runs stop with their rows copied and nothing committed. */
  const holdLedger = async () => {
    const client: Client = await system.connectToDestination();
    await client.query('BEGIN');
    await client.query('LOCK TABLE sluice.ledger IN EXCLUSIVE MODE');
    return () => client.query('ROLLBACK');
  };
  const untilCopied = (runs: number) =>
    until(`${runs} runs have copied their rows`, async () => {
      const waiting = await system.rows(
        "SELECT FROM pg_stat_activity WHERE application_name LIKE 'sluice run %' AND wait_event_type = 'Lock' AND datname = current_database()",
      );
      return waiting.length >= runs;
    });

  const stateOf = async (flowRunId: string) =>
    (await system.prefect<{ state: { type: string } }>('GET', `/flow_runs/${flowRunId}`)).body.state.type;

  /** Until the run and its flow run have ended; says how long that took. */
  const bothEnd = async (what: string, { run_id, flow_run_id }: { run_id: string; flow_run_id: string }) => {
    const began = Date.now();
    const took = { run: 0, flowRun: 0 };
    let run: WireRun | undefined;
    let type = '';
    await until(
      `${what}: both have ended`,
      async () => {
        run = (await system.api<WireRun>('GET', `/runs/${run_id}`)).body;
        type = await stateOf(flow_run_id);
        if (!['queued', 'running'].includes(run.status)) took.run ||= Date.now() - began;
        if (['COMPLETED', 'FAILED', 'CRASHED', 'CANCELLED'].includes(type)) took.flowRun ||= Date.now() - began;
        return took.run > 0 && took.flowRun > 0;
      },
      PROMISED_MS,
    );
    const seconds = (ms: number) => (ms / 1000).toFixed(1);
    process.stdout.write(
      `${what}: run ${run?.status} after ${seconds(took.run)} s, flow run ${type} after ${seconds(took.flowRun)} s\n`,
    );
    return { status: run?.status, type };
  };

  const nextRunLoads = async (id: string, table: string) => {
    expect(await endOf(system, (await triggered(system, id)).run_id)).toMatchObject({ status: 'success' });
    expect(await rowsOf(table)).toEqual({ rows: 1010, ids: 1010 });
  };

  it('its process killed', async () => {
    const id = await begun('killed');
    const release = await holdLedger();
    const run = await triggered(system, id);
    await untilCopied(1);
    process.kill(processWith(`PREFECT__FLOW_RUN_ID=${run.flow_run_id}`, 'flow-runner')!, 'SIGKILL');
    expect(await bothEnd('runner killed', run)).toEqual({ status: 'crashed', type: 'CRASHED' });
    await release();
    await nextRunLoads(id, 'killed');
  }, 180_000);

  it('its process and its worker killed, also when it was to be cancelled', async () => {
    const [id, other] = [await begun('lost'), await begun('lost_and_cancelled')];
    const release = await holdLedger();
    const [run, cancelled] = [await triggered(system, id), await triggered(system, other)];
    await untilCopied(2);
    system.killWorker('with its runs');
    expect((await system.api('POST', `/runs/${cancelled.run_id}/cancel`)).status).toBe(202);
    const [end, cancellation] = await Promise.all([
      bothEnd('runner and worker killed', run),
      bothEnd('runner and worker killed, cancelled then', cancelled),
    ]);
    expect(end).toEqual({ status: 'crashed', type: 'CRASHED' });
    expect(cancellation).toEqual({ status: 'cancelled', type: 'CANCELLED' });
    await release();
    await system.newWorker();
    await nextRunLoads(id, 'lost');
    await nextRunLoads(other, 'lost_and_cancelled');
  }, 240_000);

  it('its worker killed and then cancelled: its own process hears of it', async () => {
    const id = await begun('left_alone');
    const release = await holdLedger();
    const run = await triggered(system, id);
    await untilCopied(1);
    system.killWorker('alone');
    const asked = Date.now();
    expect((await system.api('POST', `/runs/${run.run_id}/cancel`)).status).toBe(202);
    expect(await bothEnd('worker killed, cancelled then', run)).toEqual({ status: 'cancelled', type: 'CANCELLED' });
    expect(Date.now() - asked).toBeLessThan(15_000);
    await release();
    await system.newWorker();
    await nextRunLoads(id, 'left_alone');
  }, 180_000);

  it('its process frozen: the next run loads, and the one that wakes up commits nothing', async () => {
    const id = await begun('frozen');
    const release = await holdLedger();
    const run = await triggered(system, id);
    await untilCopied(1);
    const pid = processWith(`PREFECT__FLOW_RUN_ID=${run.flow_run_id}`, 'flow-runner')!;
    process.kill(pid, 'SIGSTOP');
    try {
      expect(await bothEnd('runner frozen', run)).toEqual({ status: 'crashed', type: 'CRASHED' });
      await release();
      await nextRunLoads(id, 'frozen');
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await until('the zombie has ended', () =>
      Promise.resolve(processWith(`PREFECT__FLOW_RUN_ID=${run.flow_run_id}`, 'flow-runner') === null),
    );
    expect(await rowsOf('frozen')).toEqual({ rows: 1010, ids: 1010 });
    expect((await system.api<WireRun>('GET', `/runs/${run.run_id}`)).body.status).toBe('crashed');
    expect(await endInPrefect(system, run.flow_run_id)).toMatchObject({ type: 'CRASHED' });
  }, 240_000);

  it('taken by a worker that died at once: another flow run does what was promised', async () => {
    const id = await begun('claimed');
    system.killWorker('with its runs');
    const run = await triggered(system, id);
    const claim = { state: { type: 'PENDING' } };
    expect(
      (await system.prefect<{ status: string }>('POST', `/flow_runs/${run.flow_run_id}/set_state`, claim)).body.status,
    ).toBe('ACCEPT');
    const began = Date.now();
    await until('the flow run has crashed', async () => (await stateOf(run.flow_run_id)) === 'CRASHED', PROMISED_MS);
    process.stdout.write(
      `pending, worker killed: flow run CRASHED after ${((Date.now() - began) / 1000).toFixed(1)} s\n`,
    );
    await system.newWorker();
    expect(await endOf(system, run.run_id)).toMatchObject({ status: 'success', metrics: { rows_ingested: 1000 } });
    expect((await system.api<WireRun>('GET', `/runs/${run.run_id}`)).body.flow_run_id).not.toBe(run.flow_run_id);
    expect(await rowsOf('claimed')).toEqual({ rows: 1010, ids: 1010 });
  }, 240_000);

  it('Prefect killed and started again while it loads', async () => {
    const id = await begun('without_prefect');
    const release = await holdLedger();
    const run = await triggered(system, id);
    await untilCopied(1);
    await stack.kill('prefect');
    await release();
    await until('the run has ended without Prefect', async () => {
      const { status } = (await system.api<WireRun>('GET', `/runs/${run.run_id}`)).body;
      return status === 'success';
    });
    await stack.startAgain('prefect');
    expect(await bothEnd('Prefect killed and back', run)).toEqual({ status: 'success', type: 'COMPLETED' });
    expect(await rowsOf('without_prefect')).toEqual({ rows: 1010, ids: 1010 });
  }, 240_000);

  it('PostgreSQL killed and started again while it loads', async () => {
    const id = await begun('without_postgres');
    await holdLedger();
    const run = await triggered(system, id);
    await untilCopied(1);
    await stack.kill('postgres');
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    await stack.startAgain('postgres');
    await system.reconnect();
    const { status, type } = await bothEnd('PostgreSQL killed and back', run);
    expect([status, type]).toEqual(['success', 'COMPLETED']);
    await until('Prefect is usable again', async () => {
      const { body } = await system.api<{ initialized: boolean }>('GET', '/orchestration/status');
      return body.initialized;
    });
    await nextRunLoads(id, 'without_postgres');
  }, 240_000);
});
