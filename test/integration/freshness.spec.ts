import { randomUUID } from 'node:crypto';
import type { RunMetrics, RunParameters, RunStatus } from '@sluice/ingestion';
import { anIngestion, DAILY, startControlPlane, until, type ControlPlane } from '../support/control-plane';

let plane: ControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
});
afterAll(() => plane.close());

const METRICS = {
  ...{ files_discovered: 0, files_processed: 0, files_failed: 0, rows_ingested: 0, rows_rejected: 0 },
  ...{ bytes_read: 0, duration_ms: 1 },
};
const ALL: RunParameters = { kind: 'load', from: null, until: null, path_prefix: null };
const quality = { max_age_seconds: 3600 };
const watched = async () => (await plane.ingestions.createIngestion(anIngestion({ schedule: DAILY, quality }))).id;
const freshnessOf = async (id: string) => (await plane.ingestions.getIngestion(id)).metadata.freshness;
/** As if so many seconds had passed. */
const age = (id: string, seconds: number) =>
  plane.sql('UPDATE sluice_control.ingestion SET fresh_at = fresh_at - make_interval(secs => $2) WHERE id = $1', [
    id,
    seconds,
  ]);
const eventsOf = (id: string) =>
  plane.sql<{ kind: string; message: string; facts: Record<string, unknown> }>(
    'SELECT kind, message, facts FROM sluice_control.event WHERE ingestion_id = $1 ORDER BY created_at, id',
    [id],
  );
const kindsOf = async (id: string) => (await eventsOf(id)).map(({ kind }) => kind);

async function ran(
  ingestionId: string,
  status: RunStatus,
  parameters: RunParameters = ALL,
  metrics: Partial<RunMetrics> = {},
): Promise<void> {
  const entry = { ingestionId, flowRunId: randomUUID(), runId: null, scheduled: true };
  const [{ id }, executor] = [await plane.recorder.enter(entry), randomUUID()];
  await plane.sql('UPDATE sluice_control.run SET parameters = $2 WHERE id = $1', [id, JSON.stringify(parameters)]);
  await plane.recorder.start(id, executor);
  await plane.recorder.end(id, executor, { status, metrics: { ...METRICS, ...metrics }, errors: [] });
}

describe('quality.max_age_seconds', () => {
  it.each([59, 0, -1, 60.5, 315_360_001])('cannot be %p', async (max_age_seconds) => {
    const attempt = plane.ingestions.createIngestion(anIngestion({ quality: { max_age_seconds } }));
    await expect(attempt).rejects.toMatchObject({
      code: 'VALUE_ERROR',
      path: 'quality.max_age_seconds',
      message: `quality.max_age_seconds ${max_age_seconds} is out of range. Give whole seconds from 60 to 315360000; null for no limit.`,
    });
  });

  it('is kept and shown', async () => {
    const made = await plane.ingestions.createIngestion(anIngestion({ quality: { max_age_seconds: 60 } }));
    expect(made.quality.max_age_seconds).toBe(60);
    expect(made.metadata.freshness).toMatchObject({ status: 'unwatched', stale_since: null, max_age_seconds: 60 });
  });
});

describe('an ingestion with a limit of age', () => {
  it('is fresh from its creation on, and stale once its data is older', async () => {
    const id = await watched();
    expect(await freshnessOf(id)).toMatchObject({ status: 'fresh', stale_since: null });
    await age(id, 3590);
    expect(await freshnessOf(id)).toMatchObject({ status: 'fresh', stale_since: null });
    await age(id, 20);
    const { status, fresh_at, stale_since } = await freshnessOf(id);
    expect([status, stale_since]).toEqual(['stale', new Date(fresh_at.getTime() + 3_600_000)]);
  });

  it.each<[RunStatus, RunParameters, string, string]>([
    ['success', ALL, 'fresh', 'a success makes it fresh'],
    ['success', { kind: 'refresh', scope: 'full' }, 'fresh', 'a rebuild makes it fresh'],
    ['success', { ...ALL, path_prefix: 'a/' }, 'stale', 'a run that looked at some of the files does not'],
    ['partial', ALL, 'stale', 'a run of which some files failed does not'],
    ['failed', ALL, 'stale', 'a failure does not'],
  ])('%s of %j: %s, since %s', async (status, parameters, expected) => {
    const id = await watched();
    await age(id, 4000);
    await ran(id, status, parameters);
    expect((await freshnessOf(id)).status).toBe(expected);
  });

  it('stays stale while runs hold files back because of earlier failures', async () => {
    const id = await watched();
    await age(id, 4000);
    await ran(id, 'success', ALL, { files_held: 1 });
    expect((await freshnessOf(id)).status).toBe('stale');
    await ran(id, 'success');
    expect((await freshnessOf(id)).status).toBe('fresh');
  });

  it('is told of once when it becomes stale, and once when it is fresh again', async () => {
    const id = await watched();
    await age(id, 4000);
    expect(await plane.reconciler.runOnce()).toContain(`The data of ingestion ${id} is stale`);
    await Promise.all([plane.reconciler.runOnce(), plane.reconciler.runOnce()]);
    expect(await kindsOf(id)).toEqual(['stale']);
    await ran(id, 'success');
    expect(await plane.reconciler.runOnce()).toContain(`The data of ingestion ${id} is fresh again`);
    await plane.reconciler.runOnce();
    const { name } = await plane.ingestions.getIngestion(id);
    const [stale, fresh] = await eventsOf(id);
    const since = stale?.facts['stale_since'];
    expect(stale).toEqual({
      kind: 'stale',
      message: `No run of ingestion "${name}" was a success with no file missing since ${String(stale?.facts['fresh_at'])}: its data is older than 3600 s.`,
      facts: { ingestion_name: name, fresh_at: expect.any(String), stale_since: since, max_age_seconds: 3600 },
    });
    expect(fresh).toMatchObject({
      kind: 'fresh',
      message: `The data of ingestion "${name}", stale since ${String(since)}, is fresh again.`,
      facts: { because: 'fresh', stale_since: since },
    });
  });

  it('is told of by one of many that look at once', async () => {
    const ids = await Promise.all(Array.from({ length: 10 }, watched));
    await Promise.all(ids.map((id) => age(id, 4000)));
    await Promise.all(Array.from({ length: 5 }, () => plane.reconciler.runOnce()));
    expect(await Promise.all(ids.map(kindsOf))).toEqual(Array(10).fill(['stale']));
  });

  it('is not watched while a person has paused it, and its age begins anew when it is resumed', async () => {
    const id = await watched();
    await age(id, 4000);
    await plane.reconciler.runOnce();
    await plane.ingestions.pauseIngestion(id);
    expect((await freshnessOf(id)).status).toBe('unwatched');
    await plane.reconciler.runOnce();
    expect((await eventsOf(id)).at(-1)).toMatchObject({ kind: 'fresh', facts: { because: 'not_watched' } });
    await plane.ingestions.resumeIngestion(id);
    await plane.reconciler.runOnce();
    expect((await freshnessOf(id)).status).toBe('fresh');
    expect(await kindsOf(id)).toEqual(['stale', 'fresh']);
  });

  it('does not become fresh by resuming what was not paused', async () => {
    const id = await watched();
    await age(id, 4000);
    await plane.ingestions.resumeIngestion(id);
    expect((await freshnessOf(id)).status).toBe('stale');
  });

  it('that has paused itself is waited for', async () => {
    const id = await watched();
    await age(id, 4000);
    await plane.sql(`UPDATE sluice_control.ingestion SET status = 'error', error_reason = 'x' WHERE id = $1`, [id]);
    expect((await freshnessOf(id)).status).toBe('stale');
  });

  it('begins with its first schedule', async () => {
    const { id } = await plane.ingestions.createIngestion(anIngestion({ quality }));
    await age(id, 4000);
    expect((await freshnessOf(id)).status).toBe('unwatched');
    await plane.ingestions.updateIngestion(id, { schedule: DAILY });
    expect((await freshnessOf(id)).status).toBe('fresh');
  });

  it('is found by a list of those that are stale, and not among the others', async () => {
    const [id, other] = [await watched(), await watched()];
    await age(id, 4000);
    const found = async (stale: boolean) =>
      (await plane.ingestions.listIngestions({ stale, limit: 200 })).items.map((item) => item.id);
    expect([(await found(true)).includes(id), (await found(true)).includes(other)]).toEqual([true, false]);
    expect([(await found(false)).includes(id), (await found(false)).includes(other)]).toEqual([false, true]);
  });
});

describe('where the clock of the machine of the API goes wrong', () => {
  const HOUR_MS = 3_600_000;
  const REAL = ['nextTick', 'hrtime', 'performance', 'queueMicrotask', 'setImmediate', 'clearImmediate'] as const;
  const TIMERS = ['setInterval', 'clearInterval', 'setTimeout', 'clearTimeout'] as const;
  const wrongBy = (ms: number) =>
    jest.useFakeTimers({ now: Date.now() + ms, doNotFake: [...REAL, ...TIMERS], advanceTimers: true });
  afterEach(() => jest.useRealTimers());
  /** What was heard of Prefect before the clock jumped is out of date. */
  const reached = () => until(() => Promise.resolve(plane.gateway.initialized));
  /** Seconds that the columns are off the clock of the database. */
  const off = async (id: string) =>
    (
      await plane.sql<{ fresh: number; ticks: number }>(
        `SELECT extract(epoch FROM fresh_at - now())::float8 AS fresh, extract(epoch FROM ticks_seen_until - now())::float8 AS ticks
         FROM sluice_control.ingestion WHERE id = $1`,
        [id],
      )
    )[0]!;
  const right = { fresh: expect.closeTo(0, -2) as number, ticks: expect.closeTo(0, -2) as number };

  it.each([-2 * HOUR_MS, 2 * HOUR_MS])('by %d ms, the age and the ticks begin by that of the database', async (ms) => {
    wrongBy(ms);
    await reached();
    const { id: first } = await plane.ingestions.createIngestion(anIngestion({ quality }));
    await plane.ingestions.updateIngestion(first, { schedule: DAILY });
    expect(await off(first)).toEqual(right);
    const id = await watched();
    expect(await off(id)).toEqual(right);
    await plane.ingestions.pauseIngestion(id);
    await age(id, 7200);
    await plane.ingestions.resumeIngestion(id);
    expect(await off(id)).toEqual(right);
  });

  it('by an hour, it is shown as old as it is', async () => {
    await reached();
    const id = await watched();
    wrongBy(HOUR_MS + 60_000);
    expect((await freshnessOf(id)).status).toBe('fresh');
    wrongBy(-2 * HOUR_MS);
    await age(id, 4000);
    expect((await freshnessOf(id)).status).toBe('stale');
  });
});
