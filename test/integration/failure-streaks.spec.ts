import { randomUUID } from 'node:crypto';
import type { RunMetrics, RunStatus } from '@sluice/ingestion';
import { anIngestion, DAILY, refusalOf, startControlPlane, until, type ControlPlane } from '../support/control-plane';
import { enterState, newState } from '../support/fake-prefect';

let plane: ControlPlane;
beforeAll(async () => {
  plane = await startControlPlane({ SLUICE_WARN_AFTER_FAILURES: '3', SLUICE_PAUSE_AFTER_FAILURES: '5' });
});
afterEach(async () => {
  await plane.fake.behave();
  await until(() => plane.gateway.initialized);
});
afterAll(() => plane.close());

const METRICS: RunMetrics = {
  ...{ files_discovered: 2, files_processed: 2, files_failed: 0, rows_ingested: 1000, rows_rejected: 1 },
  ...{ bytes_read: 4096, duration_ms: 12 },
};
const BROKEN = {
  ...{ file: null, line: null, column: null, error_type: 'type_mismatch', retryable: false },
  message: 'No date is "soon".',
};
const scheduled = async () => (await plane.ingestions.createIngestion(anIngestion({ schedule: DAILY }))).id;
const deploymentOf = (id: string) => plane.fake.deployments.find((it) => it.name === `ingestion-${id}`)!;
const viewOf = (id: string) => plane.ingestions.getIngestion(id);
const failuresOf = async (id: string) => (await viewOf(id)).metadata.consecutive_failures;
const eventsOf = (id: string) =>
  plane.sql<{ kind: string; message: string; facts: object }>(
    'SELECT kind, message, facts FROM sluice_control.event WHERE ingestion_id = $1 ORDER BY created_at, kind',
    [id],
  );

async function entered(ingestionId: string): Promise<string> {
  const entry = { ingestionId, flowRunId: randomUUID(), runId: null, scheduled: true };
  return (await plane.recorder.enter(entry)).id;
}

async function started(ingestionId: string) {
  const [runId, executor] = [await entered(ingestionId), randomUUID()];
  await plane.recorder.start(runId, executor);
  return { runId, executor };
}

async function ran(ingestionId: string, status: RunStatus): Promise<string> {
  const { runId, executor } = await started(ingestionId);
  const errors = status === 'success' ? [] : [BROKEN];
  expect(await plane.recorder.end(runId, executor, { status, metrics: METRICS, errors })).toBe(true);
  return runId;
}

async function failedInARow(ingestionId: string, times: number): Promise<void> {
  for (let done = 0; done < times; done += 1) await ran(ingestionId, 'failed');
}

describe('failures in a row', () => {
  it.each<[string, RunStatus[], number]>([
    ['count failed and crashed runs', ['failed', 'crashed', 'failed'], 3],
    ['are over with a success', ['failed', 'failed', 'success'], 0],
    ['are over with a partial success', ['failed', 'crashed', 'partial', 'failed'], 1],
    ['do not end with a cancelled run, which does not count', ['failed', 'cancelled', 'failed'], 2],
  ])('%s', async (_, statuses, failures) => {
    const id = await scheduled();
    for (const status of statuses) await ran(id, status);
    expect(await failuresOf(id)).toBe(failures);
  });

  it('count a run that was dismissed before it loaded, and not one that was skipped', async () => {
    const id = await scheduled();
    await plane.recorder.dismiss(await entered(id), 'failed', [BROKEN]);
    await plane.recorder.dismiss(await entered(id), 'skipped', []);
    expect(await failuresOf(id)).toBe(1);
  });

  it('count a run that Prefect says has crashed', async () => {
    const id = await scheduled();
    const { run_id, flow_run_id } = await plane.ingestions.triggerManualRun(id);
    await plane.recorder.start(run_id, randomUUID());
    await plane.sql(`UPDATE sluice_control.run SET heartbeat_at = now() - interval '30 seconds' WHERE id = $1`, [
      run_id,
    ]);
    enterState(
      plane.fake.flowRuns.find((it) => it.id === flow_run_id)!,
      newState('CRASHED'),
    );
    await plane.ingestions.triggerManualRun(id);
    expect((await plane.runs.getRun(run_id)).status).toBe('crashed');
    expect(await failuresOf(id)).toBe(1);
  });

  it('do not count a run that Prefect could not take: it says nothing of the ingestion', async () => {
    const id = await scheduled();
    await plane.fake.misbehave('http_500', { route: /create_flow_run/ });
    expect(await refusalOf(plane.ingestions.triggerManualRun(id))).toMatchObject({ code: 'ORCHESTRATION_UNAVAILABLE' });
    const { items } = await plane.runs.listRuns(id);
    expect(items.map((run) => run.status)).toEqual(['failed']);
    expect(await failuresOf(id)).toBe(0);
  });

  it('count each of twenty that end at once', async () => {
    const id = await scheduled();
    const runs = await Promise.all(Array.from({ length: 20 }, () => started(id)));
    const end = { status: 'failed' as const, metrics: METRICS, errors: [BROKEN] };
    await Promise.all(runs.map(({ runId, executor }) => plane.recorder.end(runId, executor, end)));
    expect(await failuresOf(id)).toBe(20);
  });

  it('count a run once, though twenty end it at once', async () => {
    const id = await scheduled();
    const runId = await entered(id);
    const won = await Promise.all(Array.from({ length: 20 }, () => plane.recorder.dismiss(runId, 'failed', [BROKEN])));
    expect(won.filter(Boolean)).toHaveLength(1);
    expect(await failuresOf(id)).toBe(1);
  });

  it('are counted in the order that deletions lock in: who waits for the ingestion does not hold its run', async () => {
    const id = await scheduled();
    const runId = await entered(id);
    const ending = await plane.dataSource.transaction(async (tx) => {
      await tx.query('SELECT 1 FROM sluice_control.ingestion WHERE id = $1 FOR UPDATE', [id]);
      const dismissed = plane.recorder.dismiss(runId, 'failed', [BROKEN]);
      await until(async () => (await plane.sql(WAITING)).length > 0);
      await tx.query('SELECT 1 FROM sluice_control.run WHERE id = $1 FOR UPDATE NOWAIT', [runId]);
      return { dismissed };
    });
    expect(await ending.dismissed).toBe(true);
    expect(await failuresOf(id)).toBe(1);
  });
});

const WAITING = `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;

describe('an ingestion whose runs fail', () => {
  it('is told of once, at the set number', async () => {
    const id = await scheduled();
    await failedInARow(id, 2);
    await plane.reconciler.runOnce();
    expect(await eventsOf(id)).toEqual([]);
    const last = await ran(id, 'failed');
    expect(await plane.reconciler.runOnce()).toContain(`Warned of ingestion ${id}: 3 runs in a row have failed`);
    await ran(id, 'failed');
    await plane.reconciler.runOnce();
    const { name } = await viewOf(id);
    expect(await eventsOf(id)).toEqual([
      {
        kind: 'failing',
        message: `3 runs in a row of ingestion "${name}" have failed. The last said: No date is "soon".`,
        facts: { ingestion_name: name, consecutive_failures: 3, last_run_id: last, last_error: 'No date is "soon".' },
      },
    ]);
  });

  it('is told of again in another streak', async () => {
    const id = await scheduled();
    for (let streak = 0; streak < 2; streak += 1) {
      await failedInARow(id, 3);
      await plane.reconciler.runOnce();
      await ran(id, 'success');
    }
    expect((await eventsOf(id)).map(({ kind }) => kind)).toEqual(['failing', 'failing']);
  });

  it('pauses itself, once, with the reason, and its deployment follows', async () => {
    const id = await scheduled();
    await failedInARow(id, 5);
    await Promise.all([plane.reconciler.runOnce(), plane.reconciler.runOnce(), plane.reconciler.runOnce()]);
    expect(await viewOf(id)).toMatchObject({
      status: 'error',
      error_reason: '5 runs in a row have failed. The last said: No date is "soon".',
      metadata: { consecutive_failures: 5, next_run_time: null },
    });
    expect((await eventsOf(id)).map(({ kind }) => kind)).toEqual(['failing', 'paused_by_failures']);
    await plane.reconciler.runOnce();
    expect(deploymentOf(id).paused).toBe(true);
  });

  it('does not pause itself under an operation, but after it', async () => {
    const id = await scheduled();
    await failedInARow(id, 5);
    const claim = `UPDATE sluice_control.ingestion SET operation = 'update', operation_id = $2, operation_expires_at = now() + interval '1 minute' WHERE id = $1`;
    await plane.sql(claim, [id, randomUUID()]);
    await plane.reconciler.runOnce();
    expect((await viewOf(id)).status).toBe('active');
    await plane.sql(
      'UPDATE sluice_control.ingestion SET operation = NULL, operation_id = NULL, operation_expires_at = NULL WHERE id = $1',
      [id],
    );
    await plane.reconciler.runOnce();
    expect((await viewOf(id)).status).toBe('error');
  });

  it('that a person has paused stays paused', async () => {
    const id = await scheduled();
    await plane.ingestions.pauseIngestion(id);
    await failedInARow(id, 6);
    await plane.reconciler.runOnce();
    expect(await viewOf(id)).toMatchObject({ status: 'paused', error_reason: null });
  });
});

describe('an ingestion that has paused itself', () => {
  async function inError(): Promise<string> {
    const id = await scheduled();
    await failedInARow(id, 5);
    await plane.reconciler.runOnce();
    await plane.reconciler.runOnce();
    expect(deploymentOf(id).paused).toBe(true);
    return id;
  }

  it('is active again when it is resumed, and counts anew', async () => {
    const id = await inError();
    expect(await plane.ingestions.resumeIngestion(id)).toMatchObject({
      status: 'active',
      error_reason: null,
      metadata: { consecutive_failures: 0 },
    });
    expect(deploymentOf(id).paused).toBe(false);
    await failedInARow(id, 3);
    await plane.reconciler.runOnce();
    expect((await eventsOf(id)).map(({ kind }) => kind)).toEqual(['failing', 'paused_by_failures', 'failing']);
    expect((await viewOf(id)).status).toBe('active');
  });

  it('can be paused by a person', async () => {
    const id = await inError();
    expect(await plane.ingestions.pauseIngestion(id)).toMatchObject({ status: 'paused', error_reason: null });
    expect(deploymentOf(id).paused).toBe(true);
  });

  it('still runs by hand; a success counts, and does not resume it', async () => {
    const id = await inError();
    const { run_id } = await plane.ingestions.triggerManualRun(id);
    const executor = randomUUID();
    await plane.recorder.start(run_id, executor);
    await plane.recorder.end(run_id, executor, { status: 'success', metrics: METRICS, errors: [] });
    await plane.reconciler.runOnce();
    expect(await viewOf(id)).toMatchObject({ status: 'error', metadata: { consecutive_failures: 0 } });
    expect(deploymentOf(id).paused).toBe(true);
  });

  it('keeps its deployment paused while its schedule changes', async () => {
    const id = await inError();
    const changed = await plane.ingestions.updateIngestion(id, { schedule: { frequency: 'hourly', time: '00:15' } });
    expect(changed.status).toBe('error');
    expect(deploymentOf(id)).toMatchObject({ paused: true, schedules: [{ schedule: { cron: '15 * * * *' } }] });
  });

  it('becomes a draft without an error when its schedule is removed, and counts anew under the next one', async () => {
    const id = await inError();
    expect(await plane.ingestions.updateIngestion(id, { schedule: null })).toMatchObject({
      status: 'draft',
      error_reason: null,
    });
    await plane.ingestions.updateIngestion(id, { schedule: DAILY });
    await plane.reconciler.runOnce();
    expect(await viewOf(id)).toMatchObject({ status: 'active', metadata: { consecutive_failures: 0 } });
    await failedInARow(id, 3);
    await plane.reconciler.runOnce();
    expect((await eventsOf(id)).map(({ kind }) => kind)).toEqual(['failing', 'paused_by_failures', 'failing']);
  });
});

describe('what all runs add up to', () => {
  it('does not fall when an ingestion is deleted', async () => {
    const totals = () => plane.sql(`SELECT * FROM sluice_control.run_total ORDER BY trigger, status`);
    const id = await scheduled();
    await ran(id, 'success');
    const before = await totals();
    await plane.ingestions.deleteIngestion(id);
    expect(await totals()).toEqual(before);
  });

  it('holds the runs, rows, bytes and durations of each kind', async () => {
    await plane.sql('DELETE FROM sluice_control.run_total');
    const id = await scheduled();
    for (const seconds of [0.5, 6, 20_000]) {
      const { runId, executor } = await started(id);
      await plane.sql(`UPDATE sluice_control.run SET started_at = now() - make_interval(secs => $2) WHERE id = $1`, [
        runId,
        seconds,
      ]);
      await plane.recorder.end(runId, executor, { status: 'success', metrics: METRICS, errors: [] });
    }
    await plane.recorder.dismiss(await entered(id), 'skipped', []);
    expect(await plane.sql('SELECT * FROM sluice_control.run_total ORDER BY status')).toEqual([
      {
        ...{ trigger: 'scheduled', status: 'skipped', runs: '1', rows_ingested: '0', rows_rejected: '0' },
        ...{ bytes_read: '0', seconds: 0, buckets: Array(9).fill('0') },
      },
      {
        ...{ trigger: 'scheduled', status: 'success', runs: '3', rows_ingested: '3000', rows_rejected: '3' },
        ...{ bytes_read: '12288', seconds: expect.closeTo(20_006.5, 0) },
        buckets: ['1', '1', '2', '2', '2', '2', '2', '2', '3'],
      },
    ]);
  });
});
