import { Clock } from '@sluice/kernel';
import { UnplannedTicks } from '../../libs/ingestion/src/reconciler/unplanned-ticks';
import { anIngestion, startControlPlane, until, type ControlPlane } from '../support/control-plane';
import { plannedRun } from '../support/fake-prefect/flow-runs';

let plane: ControlPlane;
/** What has passed beside the time that did, ms. */
let passed = 0;
beforeAll(async () => {
  plane = await startControlPlane();
  const clock = plane.get<Clock>(Clock as never);
  const elapsed = clock.elapsed.bind(clock);
  jest.spyOn(clock, 'elapsed').mockImplementation(() => elapsed() + passed);
});
afterEach(async () => {
  await plane.fake.behave();
  plane.fake.flowRuns.length = 0;
});
afterEach(async () => {
  await plane.sql('DELETE FROM sluice_control.ingestion');
});
afterAll(() => plane.close());

const MINUTE = 60_000;
const EACH_MINUTE = { frequency: 'custom', cron_expression: '* * * * *' } as const;
/** Full minutes ago. */
const ago = (minutes: number) => new Date(Math.floor(Date.now() / MINUTE) * MINUTE - minutes * MINUTE);

/** An ingestion whose ticks are accounted for up to so many minutes ago; Prefect has planned none since. */
async function afterOutage(minutes: number, schedule: object = {}): Promise<string> {
  const input = anIngestion({ schedule: { ...EACH_MINUTE, ...schedule } });
  const { id } = await plane.ingestions.createIngestion(input);
  plane.fake.flowRuns.length = 0;
  await seenUntil(id, ago(minutes));
  return id;
}
const seenUntil = (id: string, at: Date) =>
  plane.sql('UPDATE sluice_control.ingestion SET ticks_seen_until = $2 WHERE id = $1', [id, at]);
const watermark = async (id: string) =>
  (await plane.sql<{ at: Date }>('SELECT ticks_seen_until AS at FROM sluice_control.ingestion WHERE id = $1', [id]))[0]!
    .at;
const countersOf = async (id: string) => (await plane.ingestions.getIngestion(id)).counters;
const runsOf = async (id: string) => (await plane.runs.listRuns(id)).items;

/** What Prefect planned by itself. */
function planned(id: string, at: Date): void {
  const deployment = plane.fake.deployments.find((it) => it.name === `ingestion-${id}`)!;
  plane.fake.flowRuns.push(plannedRun(deployment, at));
}

describe('ticks that Prefect never planned', () => {
  it('make one run under latest, for the last of them; the others are superseded', async () => {
    const id = await afterOutage(12);
    const done = await plane.reconciler.runOnce();
    expect(done).toEqual([
      expect.stringMatching(`^Ticks of ingestion ${id} .*: the one of .* runs now, (9|10) superseded$`),
    ]);
    const runs = await runsOf(id);
    expect(runs).toMatchObject([{ trigger: 'scheduled', status: 'queued', planned_at: expect.any(Date) as Date }]);
    expect(plane.fake.flowRuns.filter((it) => !it.auto_scheduled)).toHaveLength(1);
    expect((await watermark(id)).getTime()).toBeGreaterThan(runs[0]!.planned_at!.getTime());
    const { superseded } = await countersOf(id);
    expect([9, 10]).toContain(superseded);
  });

  it('are counted as missed under none, and nothing runs', async () => {
    const id = await afterOutage(12, { missed_runs: 'none' });
    await plane.reconciler.runOnce();
    const { missed } = await countersOf(id);
    expect([10, 11]).toContain(missed);
    expect(await countersOf(id)).toEqual({ missed, superseded: 0, overlap_skipped: 0 });
    expect(await runsOf(id)).toEqual([]);
  });

  it('are accounted for once, however often it is looked', async () => {
    const [latest, none] = [await afterOutage(12), await afterOutage(12, { missed_runs: 'none' })];
    await plane.reconciler.runOnce();
    const before = [await countersOf(latest), await countersOf(none)];
    await Promise.all([plane.reconciler.runOnce(), plane.reconciler.runOnce()]);
    const [first, second] = [await countersOf(latest), await countersOf(none)];
    // A minute may have passed since, with a tick of its own.
    expect(first.superseded - before[0]!.superseded).toBeLessThanOrEqual(1);
    expect(second.missed - before[1]!.missed).toBeLessThanOrEqual(1);
    expect((await runsOf(latest)).length).toBe(1);
  });

  it('are accounted for once by many leaders at once', async () => {
    const [latest, none] = [await afterOutage(12), await afterOutage(12, { missed_runs: 'none' })];
    await Promise.all(Array.from({ length: 10 }, () => plane.reconciler.runOnce()));
    const { superseded, overlap_skipped } = await countersOf(latest);
    expect([9, 10]).toContain(superseded);
    expect(overlap_skipped).toBeLessThanOrEqual(1);
    expect(await runsOf(latest)).toHaveLength(1);
    expect([10, 11]).toContain((await countersOf(none)).missed);
  });

  it('that a leader ran and had no time to count are counted by the next, without another run', async () => {
    const id = await afterOutage(12);
    const before = await watermark(id);
    await plane.reconciler.runOnce();
    await plane.sql('UPDATE sluice_control.ingestion SET superseded = 0, ticks_seen_until = $2 WHERE id = $1', [
      id,
      before,
    ]);
    await plane.reconciler.runOnce();
    const { superseded } = await countersOf(id);
    expect([9, 10]).toContain(superseded);
    expect(await runsOf(id)).toHaveLength(1);
  });

  it('wait while Prefect refuses the run, which is then made once', async () => {
    const id = await afterOutage(12);
    await plane.fake.misbehave('http_500', { route: /create_flow_run/ });
    await plane.reconciler.runOnce();
    expect(await countersOf(id)).toEqual({ missed: 0, superseded: 0, overlap_skipped: 0 });
    await plane.fake.behave();
    await until(async () => {
      passed += MINUTE;
      await plane.reconciler.runOnce();
      return (await runsOf(id))[0]?.status === 'queued';
    });
    expect((await runsOf(id)).map((run) => run.status)).toEqual(['queued', 'failed']);
  });

  it('are tried ever more rarely while Prefect takes no run, whosever they are, and all are run when it does again', async () => {
    const ids = await Promise.all([1, 2, 3].map(() => afterOutage(12)));
    const failed = async () =>
      (await Promise.all(ids.map(runsOf))).flat().filter((run) => run.status === 'failed').length;
    const step = plane.get(UnplannedTicks);
    await plane.fake.misbehave('http_500', { route: /create_flow_run/ });
    const tries: number[] = [];
    for (let minute = 0; minute < 30; minute += 1) {
      const before = await failed();
      for (let pass = 0; pass < 4; pass += 1) await step.run().catch(() => undefined);
      if ((await failed()) > before) tries.push(minute);
      expect((await failed()) - before).toBeLessThanOrEqual(1);
      await until(() => plane.gateway.initialized);
      passed += MINUTE;
    }
    expect(tries).toEqual([0, 1, 3, 7, 15, 25]);
    await plane.fake.behave();
    passed += 10 * MINUTE;
    for (let pass = 0; pass < 2; pass += 1) await step.run();
    expect((await Promise.all(ids.map(runsOf))).map(([run]) => run?.status)).toEqual(['queued', 'queued', 'queued']);
  });

  it('of others are accounted for though one has a schedule that nobody can read, or lost its deployment', async () => {
    const [unreadable, lost, sound] = (await Promise.all([afterOutage(12), afterOutage(12), afterOutage(12)])).sort();
    plane.fake.flowRuns.length = 0;
    await plane.sql(
      `UPDATE sluice_control.ingestion SET schedule = schedule || '{"cron_expression": "61 * * * *"}' WHERE id = $1`,
      [unreadable],
    );
    const deployment = plane.fake.deployments.findIndex((it) => it.name === `ingestion-${lost}`);
    plane.fake.deployments.splice(deployment, 1);
    const step = plane.get(UnplannedTicks);
    await step.run();
    expect(await runsOf(sound!)).toMatchObject([{ status: 'queued' }]);
    await step.run();
    expect(await runsOf(lost!)).toMatchObject([{ status: 'failed' }]);
    await until(async () => {
      await plane.reconciler.runOnce();
      return (await runsOf(lost!))[0]!.status === 'queued';
    });
    expect(await runsOf(lost!)).toHaveLength(2);
  });

  it('wait while another operation on the ingestion is under way, though a run is active', async () => {
    const id = await afterOutage(12);
    await plane.ingestions.triggerManualRun(id);
    const before = await watermark(id);
    await plane.sql(
      `UPDATE sluice_control.ingestion SET operation = 'update', operation_id = gen_random_uuid(), operation_expires_at = now() + interval '1 minute' WHERE id = $1`,
      [id],
    );
    await plane.reconciler.runOnce();
    expect(await countersOf(id)).toEqual({ missed: 0, superseded: 0, overlap_skipped: 0 });
    expect(await watermark(id)).toEqual(before);
  });

  it('are left out while a run is active, and counted so', async () => {
    const id = await afterOutage(12);
    await plane.ingestions.triggerManualRun(id);
    await plane.reconciler.runOnce();
    const { superseded, overlap_skipped } = await countersOf(id);
    expect([9, 10]).toContain(superseded);
    expect(overlap_skipped).toBe(1);
  });

  it('are nothing while they may still be planned, nor those Prefect has planned, nor those that have their run', async () => {
    const id = await afterOutage(4, { missed_runs: 'none' });
    for (const minutes of [3, 2, 1, 0]) planned(id, ago(minutes));
    await plane.reconciler.runOnce();
    expect(await countersOf(id)).toEqual({ missed: 0, superseded: 0, overlap_skipped: 0 });
    const other = await afterOutage(1, { missed_runs: 'none' });
    await plane.reconciler.runOnce();
    expect(await countersOf(other)).toMatchObject({ missed: 0 });
  });

  it('before one that was planned are superseded, and run no more', async () => {
    const id = await afterOutage(12);
    planned(id, ago(1));
    await plane.reconciler.runOnce();
    const { superseded } = await countersOf(id);
    expect([10, 11]).toContain(superseded);
    expect(await runsOf(id)).toEqual([]);
  });

  it('are not looked for while the scheduler is known to be dead', async () => {
    const id = await afterOutage(12);
    const status = { ...plane.gateway.status(), scheduler: 'dead' as const };
    const spy = jest.spyOn(plane.gateway, 'status').mockReturnValue(status);
    await plane.reconciler.runOnce();
    spy.mockRestore();
    expect(await countersOf(id)).toEqual({ missed: 0, superseded: 0, overlap_skipped: 0 });
    expect(await runsOf(id)).toEqual([]);
  });
});

describe('ticks of a time in which the timetable stood still', () => {
  it('are not counted: while it is paused', async () => {
    const id = await afterOutage(12, { missed_runs: 'none' });
    await plane.ingestions.pauseIngestion(id);
    await plane.reconciler.runOnce();
    expect(await countersOf(id)).toMatchObject({ missed: 0 });
  });

  it('are not counted: after it is resumed', async () => {
    const id = await afterOutage(12, { missed_runs: 'none' });
    await plane.ingestions.pauseIngestion(id);
    await plane.ingestions.resumeIngestion(id);
    await plane.reconciler.runOnce();
    expect(await countersOf(id)).toMatchObject({ missed: 0 });
  });

  it('are not counted: before it got this timetable', async () => {
    const id = await afterOutage(12, { frequency: 'hourly', cron_expression: null, missed_runs: 'none' });
    await plane.ingestions.updateIngestion(id, { schedule: { ...EACH_MINUTE, missed_runs: 'none' } });
    await plane.reconciler.runOnce();
    expect(await countersOf(id)).toMatchObject({ missed: 0 });
  });

  it('are counted all the same after a resume of what was not paused, or another policy', async () => {
    const id = await afterOutage(12);
    await plane.ingestions.resumeIngestion(id);
    await plane.ingestions.updateIngestion(id, { schedule: { ...EACH_MINUTE, missed_runs: 'none' } });
    await plane.reconciler.runOnce();
    expect([10, 11]).toContain((await countersOf(id)).missed);
  });

  it('are not counted: before it was made, also of a row from before there were counts', async () => {
    const id = await afterOutage(12, { missed_runs: 'none' });
    await plane.sql('UPDATE sluice_control.ingestion SET ticks_seen_until = NULL WHERE id = $1', [id]);
    await plane.reconciler.runOnce();
    expect(await countersOf(id)).toMatchObject({ missed: 0 });
    expect(await watermark(id)).toBeInstanceOf(Date);
  });
});
