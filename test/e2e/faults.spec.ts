import type { Client } from 'pg';
import { describeWithPrefect } from '../support/prefect';
import { created, endInPrefect, endOf, lines, triggered } from '../support/orders';
import { processWith } from '../support/processes';
import { startSystem, type System, until, type WireIngestion, type WireRun } from '../support/system';

describeWithPrefect('whatever happens to a flow run', () => {
  let system: System;
  beforeAll(async () => {
    system = await startSystem();
  }, 180_000);
  afterAll(() => system.stop(), 60_000);

  const order = (table: string) =>
    created(system, {
      source: { type: 'file', path: `${system.folder}/${table}`, file_pattern: '*.csv' },
      destination: { schema: 'public', table, write_mode: 'append' },
    });

  const rowsOf = async (table: string) => {
    const [there] = await system.rows<{ oid: string | null }>(`SELECT to_regclass('public.${table}') AS oid`);
    if (there?.oid == null) return { rows: 0, ids: 0 };
    return (
      await system.rows<{ rows: number; ids: number }>(
        `SELECT count(*)::int AS rows, count(DISTINCT id)::int AS ids FROM ${table}`,
      )
    )[0];
  };

  /** Holds the ledger, so that a run stops with its rows copied and nothing committed. */
  const holdLedger = async (): Promise<{ blocked: () => Promise<number>; release: () => Promise<void> }> => {
    const client: Client = await system.connectToDestination();
    await client.query('BEGIN');
    await client.query('LOCK TABLE sluice.ledger IN EXCLUSIVE MODE');
    const blocked = async () => {
      const waiting = await system.rows<{ pid: number }>(
        "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'sluice run %' AND wait_event_type = 'Lock' AND datname = current_database()",
      );
      return waiting.length;
    };
    return {
      blocked,
      release: async () => {
        await client.query('ROLLBACK');
        await client.end();
      },
    };
  };

  /** Loads one file, so that the ledger and the table are there. */
  const begun = async (table: string): Promise<WireIngestion> => {
    await system.write(`${table}/0.csv`, lines(0, 10));
    const ingestion = await order(table);
    expect(await endOf(system, (await triggered(system, ingestion.id)).run_id)).toMatchObject({ status: 'success' });
    return ingestion;
  };

  const runnerPid = (flowRunId: string): number => {
    const pid = processWith(`PREFECT__FLOW_RUN_ID=${flowRunId}`, 'flow-runner');
    if (pid === null) throw new Error(`no flow-runner of ${flowRunId}`);
    return pid;
  };

  it('loads no row twice when two flow runs of one ingestion start together', async () => {
    const { id, prefect_deployment_id } = await begun('twice');
    for (const n of [1, 2, 3]) await system.write(`twice/${n}.csv`, lines(n * 1000, 1000));
    const made = await Promise.all(
      [1, 2].map(() =>
        system.prefect<{ id: string }>('POST', `/deployments/${prefect_deployment_id}/create_flow_run`, {
          parameters: { ingestion_id: id },
        }),
      ),
    );
    const states = await Promise.all(made.map(({ body }) => endInPrefect(system, body.id)));
    expect(states.map(({ type }) => type)).toEqual(['COMPLETED', 'COMPLETED']);
    expect(await rowsOf('twice')).toEqual({ rows: 3010, ids: 3010 });
  }, 120_000);

  it('leaves nothing half loaded when it is cancelled in the middle of a load', async () => {
    const { id } = await begun('cancelled');
    await system.write('cancelled/1.csv', lines(1000, 1000));
    const ledger = await holdLedger();
    const { run_id, flow_run_id } = await triggered(system, id);
    await until('the run has copied its rows', async () => (await ledger.blocked()) > 0);
    expect((await system.api('POST', `/runs/${run_id}/cancel`)).status).toBe(202);
    expect(await endOf(system, run_id)).toMatchObject({ status: 'cancelled' });
    expect(await endInPrefect(system, flow_run_id)).toMatchObject({ type: 'CANCELLED' });
    await ledger.release();
    expect(await rowsOf('cancelled')).toEqual({ rows: 10, ids: 10 });
    expect(await endOf(system, (await triggered(system, id)).run_id)).toMatchObject({
      status: 'success',
      metrics: { rows_ingested: 1000 },
    });
    expect(await rowsOf('cancelled')).toEqual({ rows: 1010, ids: 1010 });
  }, 120_000);

  it('loses and doubles nothing when the flow-runner is killed in the middle of a load and run again', async () => {
    const { id } = await begun('killed');
    await system.write('killed/1.csv', lines(1000, 1000));
    const ledger = await holdLedger();
    const { run_id, flow_run_id } = await triggered(system, id);
    await until('the run has copied its rows', async () => (await ledger.blocked()) > 0);
    process.kill(runnerPid(flow_run_id), 'SIGKILL');
    expect(await endInPrefect(system, flow_run_id)).toMatchObject({ type: 'CRASHED' });
    await ledger.release();
    expect(await endOf(system, run_id)).toMatchObject({ status: 'crashed' });
    expect(await rowsOf('killed')).toEqual({ rows: 10, ids: 10 });
    expect(await endOf(system, (await triggered(system, id)).run_id)).toMatchObject({
      status: 'success',
      metrics: { rows_ingested: 1000 },
    });
    expect(await rowsOf('killed')).toEqual({ rows: 1010, ids: 1010 });
  }, 120_000);

  it('rolls back and says so when the flow-runner gets SIGTERM in the middle of a load', async () => {
    const { id } = await begun('ended');
    await system.write('ended/1.csv', lines(1000, 1000));
    const ledger = await holdLedger();
    const { run_id, flow_run_id } = await triggered(system, id);
    await until('the run has copied its rows', async () => (await ledger.blocked()) > 0);
    process.kill(runnerPid(flow_run_id), 'SIGTERM');
    const run = await endOf(system, run_id);
    expect(run).toMatchObject({ status: 'crashed' });
    expect(run.errors[0]?.message).toContain('SIGTERM');
    expect(await endInPrefect(system, flow_run_id)).toMatchObject({ type: 'CRASHED' });
    await ledger.release();
    expect(await rowsOf('ended')).toEqual({ rows: 10, ids: 10 });
    expect(await endOf(system, (await triggered(system, id)).run_id)).toMatchObject({ status: 'success' });
    expect(await rowsOf('ended')).toEqual({ rows: 1010, ids: 1010 });
  }, 120_000);

  it('fails at once, and says what to remove, when its ingestion is gone', async () => {
    const { id, prefect_deployment_id } = await begun('orphan');
    await system.control('DELETE FROM sluice_control.ingestion WHERE id = $1', [id]);
    const { body } = await system.prefect<{ id: string }>(
      'POST',
      `/deployments/${prefect_deployment_id}/create_flow_run`,
      { parameters: { ingestion_id: id } },
    );
    expect(await endInPrefect(system, body.id)).toMatchObject({
      type: 'FAILED',
      message: `Ingestion ${id} not found: its deployment is orphaned and can be removed`,
    });
  }, 60_000);

  it('loads the good files, names the line and column of the bad one, and ends partial in both places', async () => {
    const { id } = await begun('mixed');
    await system.write('mixed/a.csv', lines(100, 100));
    await system.write('mixed/b.csv', 'id,name\n1000,x\nnot a number,y\n');
    const { run_id, flow_run_id } = await triggered(system, id);
    const run = await endOf(system, run_id);
    expect(run).toMatchObject({
      status: 'partial',
      metrics: { files_processed: 1, files_failed: 1, rows_ingested: 100 },
    });
    expect(run.errors).toMatchObject([{ file: 'b.csv', line: 3, column: 'id', error_type: 'type_mismatch' }]);
    expect(await endInPrefect(system, flow_run_id)).toMatchObject({ type: 'COMPLETED', name: 'Partial' });
    const files = await system.api<{ items: { path: string; status: string }[] }>('GET', `/ingestions/${id}/files`);
    expect(files.body.items.map(({ path, status }) => [path, status]).sort()).toEqual([
      ['0.csv', 'loaded'],
      ['a.csv', 'loaded'],
      ['b.csv', 'failed'],
    ]);
  }, 60_000);

  it('shows its log lines through the API', async () => {
    const { id } = await begun('logged');
    const { items } = (await system.api<{ items: WireRun[] }>('GET', `/ingestions/${id}/runs`)).body;
    // The row ends before the last lines are sent.
    await until('its lines have reached Prefect', async () => {
      const logs = await system.api<{ items: { message: string }[] }>('GET', `/runs/${items[0]?.id}/logs`);
      return logs.body.items.some(({ message }) => message.includes('1 file found, 1 new'));
    });
  }, 60_000);
});
