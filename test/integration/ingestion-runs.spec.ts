import { randomUUID } from 'node:crypto';
import {
  Conflict,
  OrchestrationUnavailable,
  RunActive,
  RunNotFound,
  SchemaVersionNotFound,
  ValueError,
} from '@sluice/kernel';
import type { FileRecord, RunMetrics } from '@sluice/ingestion';
import { ActiveRuns } from '../../libs/ingestion/src/runs/active-runs';
import { RunSettlement } from '../../libs/ingestion/src/runs/run-settlement';
import { anIngestion, DAILY, refusalOf, startControlPlane, until, type ControlPlane } from '../support/control-plane';
import { enterState, newState } from '../support/fake-prefect';

let plane: ControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
});
afterEach(() => plane.fake.behave());
afterAll(() => plane.close());

const METRICS: RunMetrics = {
  files_discovered: 3,
  files_processed: 2,
  files_failed: 1,
  rows_ingested: 2000,
  rows_rejected: 1,
  bytes_read: 4096,
  duration_ms: 12,
};
const ALL = { kind: 'load', from: null, until: null, path_prefix: null };
const scheduled = () => plane.ingestions.createIngestion(anIngestion({ schedule: DAILY }));
const flowRun = (id: string) => plane.fake.flowRuns.find((it) => it.id === id)!;

const file = (path: string, fields: Partial<FileRecord> = {}): FileRecord => ({
  ...{ path, version: 'v1', status: 'loaded', rows: 10, rejected: 0, bytes: 5_000_000_000 },
  ...{ first_error: null, load_id: '9007199254740993', attempts: 0, next_attempt_at: null },
  ...fields,
});
const failed = (path: string, first_error: FileRecord['first_error']) =>
  file(path, { status: 'failed', rows: 0, load_id: null, first_error, attempts: 1 });

const silence = (runId: string) =>
  plane.sql(`UPDATE sluice_control.run SET heartbeat_at = now() - interval '30 seconds' WHERE id = $1`, [runId]);

async function triggered() {
  const { id } = await scheduled();
  return { id, ...(await plane.ingestions.triggerManualRun(id)) };
}

describe('a trigger', () => {
  it('makes a queued run and a flow run that knows both ids', async () => {
    const { id, run_id, flow_run_id } = await triggered();
    expect(await plane.runs.getRun(run_id)).toMatchObject({
      id: run_id,
      ingestion_id: id,
      flow_run_id,
      trigger: 'manual',
      status: 'queued',
      started_at: null,
      ended_at: null,
      errors: [],
    });
    expect(flowRun(flow_run_id)).toMatchObject({
      idempotency_key: `run:${run_id}`,
      parameters: { ingestion_id: id, run_id },
    });
    const { metadata } = await plane.ingestions.getIngestion(id);
    expect(metadata).toMatchObject({ last_run_id: run_id, last_run_status: 'queued' });
  });

  it('without a deployment is a wrong value', async () => {
    const { id } = await plane.ingestions.createIngestion(anIngestion());
    const refusal = await refusalOf(plane.ingestions.triggerManualRun(id));
    expect(refusal).toBeInstanceOf(ValueError);
    expect((refusal as Error).message).toBe(
      `Ingestion ${id} does not have a deployment. Please configure a schedule to enable execution.`,
    );
  });

  it('of a paused ingestion works: pause stops the timetable', async () => {
    const { id } = await scheduled();
    await plane.ingestions.pauseIngestion(id);
    expect((await plane.ingestions.triggerManualRun(id)).run_id).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('while a run is active names that run', async () => {
    const { id, run_id } = await triggered();
    expect(await refusalOf(plane.ingestions.triggerManualRun(id))).toEqual(new RunActive(run_id));
  });

  it.each([
    ['CRASHED', 'crashed'],
    ['CANCELLED', 'cancelled'],
    ['FAILED', 'failed'],
    ['COMPLETED', 'crashed'],
  ] as const)(
    'goes on when Prefect says that the active run is %s and its process is silent',
    async (state, status) => {
      const { id, run_id, flow_run_id } = await triggered();
      await plane.recorder.start(run_id, randomUUID());
      await silence(run_id);
      enterState(flowRun(flow_run_id), newState(state, { message: 'so it went' }));
      const next = await plane.ingestions.triggerManualRun(id);
      expect(next.run_id).not.toBe(run_id);
      expect(await plane.runs.getRun(run_id)).toMatchObject({
        status,
        errors: [{ error_type: 'FlowRunEnded', message: expect.stringContaining('Prefect says: so it went') }],
      });
    },
  );

  it('while a process lives that Prefect has lost sight of names its run', async () => {
    const { id, run_id, flow_run_id } = await triggered();
    await plane.recorder.start(run_id, randomUUID());
    enterState(flowRun(flow_run_id), newState('CRASHED'));
    expect(await refusalOf(plane.ingestions.triggerManualRun(id))).toEqual(new RunActive(run_id));
    expect((await plane.runs.getRun(run_id)).status).toBe('running');
  });

  it('while a run that crashed before its process came is to get another flow run names that run', async () => {
    const { id, run_id, flow_run_id } = await triggered();
    enterState(flowRun(flow_run_id), newState('CRASHED'));
    expect(await refusalOf(plane.ingestions.triggerManualRun(id))).toEqual(new RunActive(run_id));
    expect((await plane.runs.getRun(run_id)).status).toBe('queued');
  });

  it('ends no run that was handed to another flow run, or whose process was heard of, since it was looked at', async () => {
    const { id, run_id } = await triggered();
    await plane.recorder.start(run_id, randomUUID());
    await silence(run_id);
    const [seen] = await plane.get(ActiveRuns).of(id);
    const end = { status: 'crashed', because: 'so it went' } as const;
    const settle = () => plane.get(RunSettlement).settle(seen!, end);
    await plane.sql(`UPDATE sluice_control.run SET flow_run_id = $2 WHERE id = $1`, [run_id, randomUUID()]);
    expect(await settle()).toBe(false);
    await plane.sql(`UPDATE sluice_control.run SET flow_run_id = $2, heartbeat_at = now() WHERE id = $1`, [
      run_id,
      seen!.flow_run_id,
    ]);
    expect(await settle()).toBe(false);
    await plane.sql(`UPDATE sluice_control.run SET heartbeat_at = $2 WHERE id = $1`, [run_id, seen!.heartbeat_at]);
    expect(await settle()).toBe(true);
  });

  it('waits for the control database to write down its flow run, and is not answered before', async () => {
    const { id } = await scheduled();
    const query = plane.dataSource.query.bind(plane.dataSource);
    let cuts = 2;
    const spy = jest.spyOn(plane.dataSource, 'query').mockImplementation((sql: string, ...rest: unknown[]) => {
      if (!sql.includes('AS never_runs') || cuts-- <= 0) return query(sql, ...(rest as [])) as Promise<never>;
      return Promise.reject(new Error('Connection terminated unexpectedly'));
    });
    const { run_id, flow_run_id } = await plane.ingestions.triggerManualRun(id);
    expect(await plane.runs.getRun(run_id)).toMatchObject({ flow_run_id });
    [cuts] = [Infinity];
    const other = (await scheduled()).id;
    await expect(plane.ingestions.triggerManualRun(other)).rejects.toThrow('terminated');
    spy.mockRestore();
  });

  it('that fails marks its run failed, so that it never loads even if the flow run was made', async () => {
    const { id } = await scheduled();
    await plane.fake.misbehave('lost_answer', { route: /create_flow_run/ });
    const refusal = await refusalOf(plane.ingestions.triggerManualRun(id));
    expect(refusal).toBeInstanceOf(OrchestrationUnavailable);
    expect((refusal as Error).message).toBe('Orchestration service unavailable. Please try again later.');
    const [run] = (await plane.runs.listRuns(id)).items;
    expect(run).toMatchObject({
      status: 'failed',
      started_at: null,
      errors: [{ error_type: 'OrchestrationUnavailable' }],
    });
    const made = plane.fake.flowRuns.find((it) => it.parameters['run_id'] === run?.id);
    const entered = await plane.recorder.enter({
      ingestionId: id,
      flowRunId: made!.id,
      runId: run!.id,
      scheduled: false,
    });
    expect(entered).toEqual({ id: run!.id, status: 'failed', startedAt: null, parameters: ALL, taken: false });
    expect(await plane.recorder.start(run!.id, randomUUID())).toBe(false);
  });

  it('whose process was faster than the failure runs, and is answered so', async () => {
    const { id } = await scheduled();
    await plane.fake.misbehave('lost_answer', { route: /create_flow_run/ });
    const trigger = plane.ingestions.triggerManualRun(id);
    const triggeredOne = () =>
      plane.fake.flowRuns.find((it) => it.parameters['ingestion_id'] === id && !it.auto_scheduled);
    await until(() => triggeredOne() !== undefined);
    const made = triggeredOne()!;
    const runId = String(made.parameters['run_id']);
    await plane.recorder.enter({ ingestionId: id, flowRunId: made.id, runId, scheduled: false });
    expect(await plane.recorder.start(runId, randomUUID())).toBe(true);
    expect(await trigger).toEqual({ run_id: runId, flow_run_id: made.id });
  });

  it('of a deployment somebody removed is a 503, and the reconciler makes it again', async () => {
    const { id } = await scheduled();
    plane.fake.deployments.splice(0, plane.fake.deployments.length);
    expect(await refusalOf(plane.ingestions.triggerManualRun(id))).toBeInstanceOf(OrchestrationUnavailable);
    await until(async () => (await plane.reconciler.runOnce()).some((it) => it.includes(id)));
    expect((await plane.ingestions.triggerManualRun(id)).flow_run_id).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('refuses a limit that is wrong before it claims anything', async () => {
    const { id } = await scheduled();
    expect(await refusalOf(plane.ingestions.triggerManualRun(id, { from: 'yesterday' }))).toMatchObject({
      code: 'VALUE_ERROR',
      path: 'from',
    });
  });

  it('hands its process what it is to look at', async () => {
    const { id } = await scheduled();
    const { run_id, flow_run_id } = await plane.ingestions.triggerManualRun(id, { path_prefix: '2026/' });
    const entry = { ingestionId: id, flowRunId: flow_run_id, runId: run_id, scheduled: false };
    expect((await plane.recorder.enter(entry)).parameters).toEqual({ ...ALL, path_prefix: '2026/' });
  });
});

describe('cancelling', () => {
  it('a queued run ends it, and it never loads', async () => {
    const { run_id, flow_run_id } = await triggered();
    expect(await plane.runs.cancelRun(run_id)).toMatchObject({ status: 'cancelled', started_at: null });
    expect(flowRun(flow_run_id).state_type).toMatch(/^CANCELL(ED|ING)$/);
    expect(await plane.recorder.start(run_id, randomUUID())).toBe(false);
  });

  it('a running run asks its process to end', async () => {
    const { run_id, flow_run_id } = await triggered();
    await plane.recorder.start(run_id, randomUUID());
    enterState(flowRun(flow_run_id), newState('RUNNING'));
    expect((await plane.runs.cancelRun(run_id)).status).toBe('running');
    expect(flowRun(flow_run_id).state_type).toBe('CANCELLING');
  });

  it('a running run that Prefect has lost sight of is left to its process, which is heard of', async () => {
    const { run_id, flow_run_id } = await triggered();
    await plane.recorder.start(run_id, randomUUID());
    enterState(flowRun(flow_run_id), newState('CRASHED'));
    expect(await plane.runs.cancelRun(run_id)).toMatchObject({
      status: 'running',
      cancel: { requested_at: expect.any(Date) as Date },
    });
  });

  it('an ended run is a conflict', async () => {
    const { run_id } = await triggered();
    await plane.runs.cancelRun(run_id);
    expect(await refusalOf(plane.runs.cancelRun(run_id))).toEqual(
      new Conflict(`Run ${run_id} has already ended (cancelled) and cannot be cancelled.`),
    );
  });

  it('changes nothing while Prefect cannot be used', async () => {
    const { run_id } = await triggered();
    await plane.fake.misbehave('http_500', { route: /flow_runs/ });
    const refusal = await refusalOf(plane.runs.cancelRun(run_id));
    expect(refusal).toBeInstanceOf(OrchestrationUnavailable);
    expect((refusal as Error).message).toBe('Cannot cancel run: Orchestration service unavailable');
    expect(await plane.runs.getRun(run_id)).toMatchObject({ status: 'queued', cancel: null });
  });

  it('a run that does not exist says so', async () => {
    for (const id of [randomUUID(), 'x'])
      expect(await refusalOf(plane.runs.cancelRun(id))).toEqual(new RunNotFound(id));
  });
});

describe('the record of a run', () => {
  it('goes from queued to its end, fenced by its process', async () => {
    const { id, run_id } = await triggered();
    const [mine, other] = [randomUUID(), randomUUID()];
    expect(await plane.recorder.findOrder(id)).toMatchObject({ id, source: { path: '/data/in' } });
    expect(await plane.recorder.start(run_id, mine)).toBe(true);
    await plane.recorder.progress(run_id, other, { ...METRICS, rows_ingested: 7 });
    expect((await plane.runs.getRun(run_id)).metrics.rows_ingested).toBe(0);
    await plane.recorder.progress(run_id, mine, { ...METRICS, rows_ingested: 7 });
    expect((await plane.runs.getRun(run_id)).metrics.rows_ingested).toBe(7);
    const error = { file: 'a.csv', line: 2, column: 'b', error_type: 'BadValue', message: 'x\0y', retryable: false };
    const end = { status: 'partial', metrics: METRICS, errors: Array(150).fill(error) as (typeof error)[] } as const;
    expect(await plane.recorder.end(run_id, other, end)).toBe(false);
    expect(await plane.recorder.takeOver(run_id, other)).toBe(true);
    expect(await plane.recorder.end(run_id, mine, end)).toBe(false);
    expect(await plane.recorder.end(run_id, other, end)).toBe(true);
    const ended = await plane.runs.getRun(run_id);
    expect(ended).toMatchObject({ status: 'partial', metrics: METRICS, ended_at: expect.any(Date) });
    expect(ended.errors).toHaveLength(100);
    expect(ended.errors[0]).toEqual({ ...error, message: 'x\ufffdy' });
    expect(await plane.recorder.takeOver(run_id, mine)).toBe(false);
  });

  it('is made when Prefect starts a flow run by itself, or somebody does there', async () => {
    const { id } = await scheduled();
    const entry = { ingestionId: id, flowRunId: randomUUID(), runId: null, scheduled: true };
    const first = await plane.recorder.enter(entry);
    expect(first).toMatchObject({ status: 'queued', startedAt: null });
    expect(await plane.recorder.enter(entry)).toEqual(first);
    expect((await plane.runs.getRun(first.id)).trigger).toBe('scheduled');
    const direct = await plane.recorder.enter({ ...entry, flowRunId: randomUUID(), scheduled: false });
    expect((await plane.runs.getRun(direct.id)).trigger).toBe('manual');
    expect(await plane.recorder.dismiss(direct.id, 'skipped', [])).toBe(true);
    expect(await plane.recorder.dismiss(direct.id, 'skipped', [])).toBe(false);
  });

  it('is another one, with the trigger retry, when Prefect runs it again after its end', async () => {
    const { id, run_id, flow_run_id } = await triggered();
    const entry = { ingestionId: id, flowRunId: flow_run_id, runId: run_id, scheduled: false };
    const executor = randomUUID();
    await plane.recorder.start(run_id, executor);
    expect(await plane.recorder.enter(entry)).toMatchObject({ id: run_id, status: 'running' });
    await plane.recorder.end(run_id, executor, { status: 'failed', metrics: METRICS, errors: [] });
    const again = await plane.recorder.enter(entry);
    expect(again).toMatchObject({ status: 'queued', startedAt: null });
    expect(again.id).not.toBe(run_id);
    expect(await plane.runs.getRun(again.id)).toMatchObject({ trigger: 'retry', flow_run_id });
    expect(await plane.recorder.enter(entry)).toEqual(again);
  });

  /** A run that was started by hand, failed, and is run again by Prefect. */
  async function again(ingestionId: string, { run_id, flow_run_id }: { run_id: string; flow_run_id: string }) {
    const executor = randomUUID();
    await plane.recorder.start(run_id, executor);
    await plane.recorder.end(run_id, executor, { status: 'failed', metrics: METRICS, errors: [] });
    const entered = await plane.recorder.enter({
      ingestionId,
      flowRunId: flow_run_id,
      runId: run_id,
      scheduled: false,
    });
    expect(entered.id).not.toBe(run_id);
    return entered;
  }

  it('does what it was to do before when Prefect runs it again', async () => {
    const { id } = await scheduled();
    const triggered = await plane.ingestions.triggerManualRun(id, { path_prefix: '2026/' });
    expect((await again(id, triggered)).parameters).toEqual({ ...ALL, path_prefix: '2026/' });
  });

  // Another ingestion may have joined the table since, whose rows would go; only the API asks about that.
  it('only loads what is new when Prefect runs a rebuild again', async () => {
    const { id } = await plane.ingestions.createIngestion(
      anIngestion({ schedule: DAILY, destination: { table: 'again' } }),
    );
    const started = await plane.ingestions.refresh(id, 'new_only', { confirm: true });
    if (!('run_id' in started)) throw new Error('nothing was started');
    expect((await again(id, started)).parameters).toEqual(ALL);
  });

  it('counts towards the usual number of rows only when it was to load all that is new', async () => {
    const { id } = await plane.ingestions.createIngestion(
      anIngestion({ schedule: DAILY, destination: { table: 'usual' } }),
    );
    const ended = async (rows: number, start: () => Promise<object>) => {
      const { run_id } = (await start()) as { run_id: string };
      const executor = randomUUID();
      await plane.recorder.start(run_id, executor);
      const metrics = { ...METRICS, rows_ingested: rows };
      await plane.recorder.end(run_id, executor, { status: 'success', metrics, errors: [] });
      const error = { error_type: 'X', message: 'x', file: 'f', line: null, column: null, retryable: false };
      await plane.recorder.mirrorFiles(id, run_id, [failed('f', error)]);
    };
    await ended(1, () => plane.ingestions.triggerManualRun(id));
    await ended(2, () => plane.ingestions.triggerManualRun(id, { from: '2026-01-01' }));
    await ended(3, () => plane.ingestions.triggerManualRun(id, { until: '2026-01-01' }));
    await ended(4, () => plane.ingestions.triggerManualRun(id, { path_prefix: 'a/' }));
    await ended(5, () => plane.ingestions.refresh(id, 'full', { confirm: true }));
    await ended(6, () => plane.ingestions.retryFiles(id));
    await ended(7, () => plane.ingestions.triggerManualRun(id));
    expect(await plane.recorder.recentRows(id, 10)).toEqual([7, 1]);
  });

  it('is its own when a flow run was copied with the parameters of another', async () => {
    const { id, run_id } = await triggered();
    const copy = await plane.recorder.enter({
      ingestionId: id,
      flowRunId: randomUUID(),
      runId: run_id,
      scheduled: false,
    });
    expect(copy.id).not.toBe(run_id);
    expect((await plane.runs.getRun(copy.id)).trigger).toBe('manual');
  });

  it('cannot be made for an ingestion that is gone', async () => {
    const gone = randomUUID();
    expect(await plane.recorder.findOrder(gone)).toBeNull();
    const entry = { ingestionId: gone, flowRunId: randomUUID(), runId: null, scheduled: true };
    expect(await refusalOf(plane.recorder.enter(entry))).toMatchObject({ code: 'INGESTION_NOT_FOUND' });
  });
});

describe('what a run leaves behind', () => {
  it('is one line per file, the last word counting', async () => {
    const { id, run_id } = await triggered();
    const error = { file: 'b', line: 1, column: null, error_type: 'X', message: 'bad \ud800', retryable: false };
    await plane.recorder.mirrorFiles(id, run_id, [
      file('b', {
        status: 'failed',
        rows: 0,
        first_error: error,
        attempts: 1,
        next_attempt_at: '2030-01-01T00:00:00Z',
      }),
      file('c', { status: 'quarantined', rows: 0, first_error: error, attempts: 5 }),
      file('a'),
    ]);
    expect(
      (await plane.runs.listFiles(id)).items.map((it) => [it.path, it.status, it.attempts, it.next_attempt_at]),
    ).toEqual([
      ['a', 'loaded', 0, null],
      ['b', 'failed', 1, new Date('2030-01-01T00:00:00Z')],
      ['c', 'quarantined', 5, null],
    ]);
    await plane.recorder.mirrorFiles(id, run_id, [file('b', { rows: 1 }), file('b', { rows: 2 }), file('B')]);
    const { items } = await plane.runs.listFiles(id);
    expect(items.map((it) => [it.path, it.status, it.rows])).toEqual([
      ['B', 'loaded', 10],
      ['a', 'loaded', 10],
      ['b', 'loaded', 2],
      ['c', 'quarantined', 0],
    ]);
    expect(items[2]).toMatchObject({
      first_error: null,
      attempts: 0,
      next_attempt_at: null,
      bytes: 5_000_000_000,
      run_id,
    });
    const [row] = await plane.sql(
      `SELECT load_id, first_error IS NULL AS clean FROM sluice_control.processed_file WHERE ingestion_id = $1 AND path = 'a'`,
      [id],
    );
    expect(row).toEqual({ load_id: '9007199254740993', clean: true });
  });

  it('stays with the load before when a reload fails, until the table is built anew', async () => {
    const { id, run_id } = await triggered();
    const error = { error_type: 'X', message: 'x', file: 'a', line: null, column: null, retryable: false };
    const other = randomUUID();
    await plane.recorder.mirrorFiles(id, other, [file('a', { rejected: 2 }), file('gone'), failed('b', error)]);
    await plane.recorder.mirrorFiles(id, other, [file('c', { status: 'changed' })]);
    await plane.recorder.mirrorFiles(id, run_id, [
      { ...failed('a', error), version: 'v2' },
      { ...failed('b', error), status: 'quarantined' },
    ]);
    const shown = () =>
      plane.sql(
        `SELECT path, version, status, rows::int, rejected::int, load_id FROM sluice_control.processed_file
         WHERE ingestion_id = $1 AND path < 'd' ORDER BY path`,
        [id],
      );
    const nothing = { rows: 0, rejected: 0, load_id: null };
    const b = { path: 'b', version: 'v1', status: 'quarantined', ...nothing };
    expect(await shown()).toMatchObject([
      { path: 'a', version: 'v2', status: 'failed', rows: 10, rejected: 2, load_id: '9007199254740993' },
      b,
      { path: 'c', status: 'changed' },
    ]);
    await plane.recorder.forgetFilesNotOf(id, run_id);
    expect(await shown()).toEqual([{ path: 'a', version: 'v2', status: 'failed', ...nothing }, b]);
    expect((await plane.runs.listFiles(id)).items.map(({ path }) => path)).toEqual(['a', 'b']);
  });

  it('is listed in pages without missing a file', async () => {
    const { id, run_id } = await triggered();
    const paths = Array.from({ length: 25 }, (_, index) => `f/${String(index).padStart(2, '0')}`);
    await plane.recorder.mirrorFiles(
      id,
      run_id,
      paths.map((path) => file(path)),
    );
    const first = await plane.runs.listFiles(id, { limit: 20 });
    const second = await plane.runs.listFiles(id, { limit: 20, cursor: first.next_cursor! });
    expect([...first.items, ...second.items].map((it) => it.path)).toEqual(paths);
    expect(second.next_cursor).toBeNull();
  });

  it('is a schema version for each change, counted from one', async () => {
    const { id } = await scheduled();
    const column = { source: 'A', name: 'a', type: 'bigint' };
    const first = { after: 0, columns: [column], changes: [], dialect: { delimiter: ';' }, file: 'a.csv' };
    expect(await plane.recorder.knownSchema(id)).toBeNull();
    expect(await plane.recorder.addSchemaVersion(id, first)).toBe(true);
    expect(await plane.recorder.addSchemaVersion(id, first)).toBe(false);
    expect(await plane.recorder.addSchemaVersion(id, { ...first, after: 2 })).toBe(false);
    const changes = [{ kind: 'added' as const, column: 'b', type: 'text' }];
    expect(await plane.recorder.addSchemaVersion(id, { ...first, after: 1, changes, dialect: null })).toBe(true);
    expect(await plane.recorder.knownSchema(id)).toEqual({ version: 2, columns: [column], dialect: null });
    expect((await plane.runs.listSchemaVersions(id)).map((it) => it.version)).toEqual([2, 1]);
    expect(await plane.runs.getSchemaVersion(id, 2)).toMatchObject({ changes, file: 'a.csv' });
    for (const n of [0, 3, 1.5, 2 ** 40]) {
      expect(await refusalOf(plane.runs.getSchemaVersion(id, n))).toEqual(new SchemaVersionNotFound(id, n));
    }
    expect((await plane.ingestions.getIngestion(id)).metadata.schema_version).toBe(2);
  });

  it('is logs, in pages, from Prefect', async () => {
    const { run_id, flow_run_id } = await triggered();
    expect(await plane.runs.logs(run_id)).toEqual({ items: [], next_cursor: null });
    for (const n of [1, 2, 3]) {
      const timestamp = `2030-01-01T00:00:0${n}Z`;
      plane.fake.logs.push({ id: randomUUID(), flow_run_id, level: 20, message: `line ${n}`, timestamp, name: 'x' });
    }
    const first = await plane.runs.logs(run_id, { limit: 2 });
    expect(first.items.map((it) => it.message)).toEqual(['line 1', 'line 2']);
    const second = await plane.runs.logs(run_id, { limit: 2, cursor: first.next_cursor! });
    expect(second).toMatchObject({ items: [{ message: 'line 3' }], next_cursor: null });
  });

  it('is its runs, newest first, in pages', async () => {
    const { id } = await scheduled();
    const ids: string[] = [];
    for (let n = 0; n < 5; n += 1) {
      const { run_id } = await plane.ingestions.triggerManualRun(id);
      await plane.runs.cancelRun(run_id);
      ids.unshift(run_id);
    }
    const first = await plane.runs.listRuns(id, { limit: 3 });
    const second = await plane.runs.listRuns(id, { limit: 3, cursor: first.next_cursor! });
    expect([...first.items, ...second.items].map((it) => it.id)).toEqual(ids);
    expect(second.next_cursor).toBeNull();
  });
});
