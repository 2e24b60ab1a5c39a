import { randomUUID } from 'node:crypto';
import { Backfill, type BackfillStep } from '@sluice/ingestion';
import { anIngestion, DAILY, startControlPlane, until, type ControlPlane } from '../support/control-plane';
import { insertOlderRows } from '../support/older-rows';

let plane: ControlPlane;
let backfill: Backfill;
beforeAll(async () => {
  plane = await startControlPlane();
  backfill = plane.get(Backfill);
});
beforeEach(async () => {
  await plane.fake.behave();
  await until(() => plane.gateway.initialized);
  await plane.sql('TRUNCATE sluice_control.ingestion CASCADE');
  plane.fake.deployments.length = 0;
  plane.fake.requests.length = 0;
});
afterAll(() => plane.close());

const rows = () =>
  plane.sql<{
    id: string;
    name: string;
    status: string;
    prefect_deployment_id: string | null;
    operation: string | null;
  }>('SELECT id, name, status, prefect_deployment_id, operation FROM sluice_control.ingestion ORDER BY name');

function run(options: { dryRun?: boolean; patienceMs?: number } = {}) {
  const steps: BackfillStep[] = [];
  const progress: { done: number; total: number; failed: number }[] = [];
  const onStep = (step: BackfillStep, far: (typeof progress)[number]) => {
    steps.push(step);
    progress.push(far);
  };
  const report = backfill.run({ dryRun: false, patienceMs: 1_000, onStep, ...options });
  return { report, steps, progress };
}

/** Each row has the one deployment of its name, as it says, and there is no other. */
async function expectAgreement(): Promise<void> {
  const all = await rows();
  const held = plane.fake.deployments.map(({ id, name, paused }) => ({ id, name, paused }));
  const wanted = all.map((row) => ({
    id: row.prefect_deployment_id,
    name: `ingestion-${row.id}`,
    paused: row.status === 'paused',
  }));
  const byName = (a: { name: string }, b: { name: string }) => a.name.localeCompare(b.name);
  expect(held.sort(byName)).toEqual(wanted.sort(byName));
}

describe('ingestions with a schedule and without a deployment', () => {
  it('get one: drafts become active, the paused stay paused; what has one or needs none is left alone', async () => {
    await insertOlderRows(plane, 2);
    await insertOlderRows(plane, 1, 'active');
    await insertOlderRows(plane, 1, 'paused');
    const { report, steps, progress } = run();
    expect(await report).toEqual({ total: 4, made: 4, needless: 0, failed: [], left: 0, stopped: null, reason: null });
    expect((await rows()).map(({ name, status }) => [name, status])).toEqual([
      ['active older 1', 'active'],
      ['draft older 1', 'active'],
      ['draft older 2', 'active'],
      ['paused older 1', 'paused'],
    ]);
    await expectAgreement();
    expect(steps.map(({ outcome }) => outcome)).toEqual(['made', 'made', 'made', 'made']);
    expect(progress.at(-1)).toEqual({ done: 4, total: 4, failed: 0 });

    await plane.ingestions.createIngestion(anIngestion());
    await plane.ingestions.createIngestion(anIngestion({ schedule: DAILY }));
    const [before, state] = [await rows(), JSON.stringify(plane.fake.deployments)];
    expect(await run().report).toMatchObject({ total: 0, made: 0 });
    expect(await rows()).toEqual(before);
    expect(JSON.stringify(plane.fake.deployments)).toBe(state);
  });

  it('are only named by a dry run', async () => {
    await insertOlderRows(plane, 3);
    const before = await rows();
    const { report, steps } = run({ dryRun: true });
    expect(await report).toMatchObject({ total: 3, made: 3, failed: [] });
    expect(steps.map(({ outcome }) => outcome)).toEqual(['would_make', 'would_make', 'would_make']);
    expect(await rows()).toEqual(before);
    expect(plane.fake.deployments).toEqual([]);
  });

  it('that cannot be read are told, and do not stop the others', async () => {
    await insertOlderRows(plane, 3);
    await plane.sql(
      `UPDATE sluice_control.ingestion SET schedule = schedule || '{"frequency": "custom", "cron_expression": "0 0 1 * * *"}' WHERE name = 'draft older 2'`,
    );
    const report = await run().report;
    expect(report).toMatchObject({ total: 3, made: 2, left: 0, stopped: null });
    expect(report.failed).toEqual([
      {
        id: expect.any(String),
        name: 'draft older 2',
        outcome: 'failed',
        reason: expect.stringMatching(/cron_expression/),
      },
    ]);
    expect((await rows())[1]).toMatchObject({ status: 'draft', prefect_deployment_id: null, operation: null });
  });

  it('are not touched while another operation is at them, and are come back to', async () => {
    await insertOlderRows(plane, 2);
    const [held] = await rows();
    await plane.sql(
      `UPDATE sluice_control.ingestion SET operation = 'update', operation_id = $2, operation_expires_at = now() + interval '1 hour' WHERE id = $1`,
      [held!.id, randomUUID()],
    );
    const { report, steps } = run();
    await until(() => steps.length === 1);
    expect(plane.fake.deployments).toHaveLength(1);
    await plane.sql(`UPDATE sluice_control.ingestion SET operation_expires_at = now() - interval '1 s' WHERE id = $1`, [
      held!.id,
    ]);
    expect(await report).toMatchObject({ total: 2, made: 2, failed: [] });
    await expectAgreement();
  });
});

describe('an outage of Prefect', () => {
  it('that is short is waited out', async () => {
    await insertOlderRows(plane, 30);
    const { report, steps } = run({ patienceMs: 20_000 });
    await until(() => steps.length >= 5);
    await plane.fake.misbehave('down');
    await until(() => !plane.gateway.initialized);
    await plane.fake.behave();
    expect(await report).toMatchObject({ total: 30, made: 30, failed: [], stopped: null });
    await expectAgreement();
  }, 30_000);

  it('in the middle of 1,000 is given up with a sum, and the next run goes on: all have one, none has two', async () => {
    await insertOlderRows(plane, 1_000);
    const first = run({ patienceMs: 1_000 });
    await until(() => first.steps.length >= 300, 60_000);
    await plane.fake.misbehave('down');
    const stopped = await first.report;
    expect(stopped).toMatchObject({
      total: 1_000,
      failed: [],
      stopped: 'outage',
      reason: expect.stringMatching(/^refused: /),
    });
    expect(stopped.made).toBe(first.steps.length);
    expect(stopped.left).toBe(1_000 - stopped.made);
    expect(stopped.made).toBeLessThan(1_000);

    await plane.fake.behave();
    await until(() => plane.gateway.initialized);
    const second = await run().report;
    expect(second).toMatchObject({ total: stopped.left, made: stopped.left, failed: [], left: 0, stopped: null });
    await expectAgreement();
    expect(new Set(plane.fake.deployments.map(({ name }) => name)).size).toBe(1_000);
    const creations = plane.fake.requests.filter(({ method, path }) => method === 'POST' && path === '/deployments/');
    process.stderr.write(
      `backfill: ${creations.length} creations for 1,000 ingestions, given up after ${stopped.made}\n`,
    );
  }, 120_000);

  it('that loses answers leaves no deployment that its row does not know', async () => {
    await insertOlderRows(plane, 20);
    await plane.fake.misbehave('lost_answer', { route: /^POST \/deployments\/$/, times: 6 });
    expect(await run({ patienceMs: 10_000 }).report).toMatchObject({ made: 20, failed: [] });
    await expectAgreement();
  }, 30_000);
});

describe('a row that goes meanwhile', () => {
  it('needs none, and leaves none behind once the reconciler has passed', async () => {
    await insertOlderRows(plane, 5);
    const { report, steps } = run();
    const ids = (await rows()).map(({ id }) => id);
    await Promise.allSettled(ids.map((id) => plane.ingestions.deleteIngestion(id)));
    expect((await report).failed).toEqual([]);
    expect(steps.length).toBeLessThanOrEqual(5);
    await until(async () => {
      await plane.sql(`UPDATE sluice_control.tombstone SET next_attempt_at = now() - interval '1 s'`);
      await plane.reconciler.runOnce();
      return plane.fake.deployments.length === 0;
    });
    expect(await rows()).toEqual([]);
  });
});
