import { randomUUID } from 'node:crypto';
import { Conflict, IngestionNotFound, NameTaken, OrchestrationUnavailable, ValueError } from '@sluice/kernel';
import { controlDatabase } from '@sluice/database';
import { DataSource } from 'typeorm';
import { MIGRATIONS } from '../../libs/database/src/migrations';
import { UnderFaults1766000000000 } from '../../libs/database/src/migrations/1766000000000-under-faults';
import { IdempotencyKeys } from '../../libs/ingestion/src/idempotency-keys';
import { anIngestion, DAILY, refusalOf, startControlPlane, until, type ControlPlane } from '../support/control-plane';
import { freshDatabase } from '../support/database';

let plane: ControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
});
afterEach(async () => {
  await plane.fake.behave();
  await until(() => plane.gateway.initialized);
});
afterAll(() => plane.close());

const aKey = () => ({ idempotencyKey: `key ${randomUUID()}` });
const scheduled = () => plane.ingestions.createIngestion(anIngestion({ schedule: DAILY }));
const underWay = ({ idempotencyKey }: { idempotencyKey: string }) =>
  new Conflict(`The call with Idempotency-Key "${idempotencyKey}" is still under way. Try again in a moment.`);
const otherBody = ({ idempotencyKey }: { idempotencyKey: string }) =>
  new Conflict(`Idempotency-Key "${idempotencyKey}" came with another body before. Choose a new key.`);
const flowRunsOf = (id: string) =>
  plane.fake.flowRuns.filter((it) => it.parameters['ingestion_id'] === id && !it.auto_scheduled);
const runsOf = async (id: string) => (await plane.runs.listRuns(id)).items;
const endRuns = (id: string) =>
  plane.sql(`UPDATE sluice_control.run SET status = 'failed', ended_at = now() WHERE ingestion_id = $1`, [id]);

/** As it stands when the process that worked under it has died, and its time is over. */
async function leave({ idempotencyKey }: { idempotencyKey: string }): Promise<void> {
  await plane.sql(
    `UPDATE sluice_control.idempotency_key SET holder = gen_random_uuid(), held_until = now() - interval '1 s' WHERE key = $1`,
    [idempotencyKey],
  );
}

async function settled<T>(calls: Promise<T>[]) {
  const all = await Promise.allSettled(calls);
  return {
    answers: all.flatMap((it) => (it.status === 'fulfilled' ? [it.value] : [])),
    refusals: all.flatMap((it) => (it.status === 'rejected' ? [it.reason as unknown] : [])),
  };
}

describe('a repeated create', () => {
  it('answers the ingestion made the first time as it is now, whatever the order of the fields', async () => {
    const [input, key] = [anIngestion({ schedule: DAILY }), aKey()];
    const first = await plane.ingestions.createIngestion(input, key);
    await plane.ingestions.pauseIngestion(first.id);
    const { name, ...rest } = input;
    expect(await plane.ingestions.createIngestion({ ...rest, name }, key)).toMatchObject({
      id: first.id,
      status: 'paused',
    });
  });

  it('is refused with another body', async () => {
    const [input, key] = [anIngestion(), aKey()];
    await plane.ingestions.createIngestion(input, key);
    const refusal = await refusalOf(plane.ingestions.createIngestion({ ...input, on_schema_change: 'fail' }, key));
    expect(refusal).toEqual(otherBody(key));
  });

  it('makes one of twenty at once; the others are told that it is under way, and get it later', async () => {
    const [input, key] = [anIngestion({ schedule: DAILY }), aKey()];
    await plane.fake.misbehave('slow', { route: /^POST \/deployments\/$/, ms: 300 });
    const { answers, refusals } = await settled(
      Array.from({ length: 20 }, () => plane.ingestions.createIngestion(input, key)),
    );
    expect(answers).toHaveLength(1);
    expect(refusals).toEqual(Array(19).fill(underWay(key)));
    expect((await plane.ingestions.createIngestion(input, key)).id).toBe(answers[0]?.id);
  });

  it('is tried anew, also with another body, after a call that failed', async () => {
    const [input, key] = [anIngestion({ schedule: DAILY }), aKey()];
    await plane.fake.misbehave('http_500', { route: /deployments/ });
    expect(await refusalOf(plane.ingestions.createIngestion(input, key))).toBeInstanceOf(OrchestrationUnavailable);
    expect(await refusalOf(plane.ingestions.createIngestion({ ...input, name: '' }, key))).toBeInstanceOf(ValueError);
    await plane.fake.behave();
    const taken = await plane.ingestions.createIngestion(anIngestion());
    const refusal = await refusalOf(plane.ingestions.createIngestion({ ...input, name: taken.name }, key));
    expect(refusal).toEqual(new NameTaken(taken.name));
    expect((await plane.ingestions.createIngestion(input, key)).status).toBe('active');
  });

  it('does not bring back what was deleted', async () => {
    const [input, key] = [anIngestion(), aKey()];
    await plane.ingestions.deleteIngestion((await plane.ingestions.createIngestion(input, key)).id);
    expect(await refusalOf(plane.ingestions.createIngestion(input, key))).toEqual(
      new Conflict(
        `What the call with Idempotency-Key "${key.idempotencyKey}" made has been deleted since. Choose a new key.`,
      ),
    );
  });

  it('after 24 hours is a new call', async () => {
    const key = aKey();
    const first = await plane.ingestions.createIngestion(anIngestion(), key);
    const [kept] = await plane.sql(
      `SELECT expires_at BETWEEN now() + interval '23 h 59 m' AND now() + interval '24 h' AS a_day FROM sluice_control.idempotency_key WHERE key = $1`,
      [key.idempotencyKey],
    );
    expect(kept).toEqual({ a_day: true });
    await plane.sql(`UPDATE sluice_control.idempotency_key SET expires_at = now() - interval '1 s' WHERE key = $1`, [
      key.idempotencyKey,
    ]);
    expect((await plane.ingestions.createIngestion(anIngestion(), key)).id).not.toBe(first.id);
  });
});

it('a call that ended in a fault which says nothing of it is looked into at once, also when the clock is set back then', async () => {
  const call = { operation: 'create', key: randomUUID(), body: {} } as const;
  const keys = plane.get(IdempotencyKeys);
  const lost = () =>
    keys.once(call, { make: () => Promise.reject(new Error('lost')), made: () => Promise.resolve(null) });
  await expect(lost()).rejects.toThrow('lost');
  const back = `UPDATE sluice_control.idempotency_key SET held_until = held_until + interval '1 minute' WHERE key = $1`;
  await plane.sql(back, [call.key]);
  const found = { make: () => Promise.resolve('made'), made: () => Promise.resolve('found') };
  expect(await keys.once(call, found)).toBe('found');
});

describe('a create whose process died', () => {
  it('is still under way for a while, and then answered if it was made', async () => {
    const [input, key] = [anIngestion({ schedule: DAILY }), aKey()];
    const first = await plane.ingestions.createIngestion(input, key);
    await leave(key);
    await plane.sql(`UPDATE sluice_control.idempotency_key SET held_until = now() + interval '9 s' WHERE key = $1`, [
      key.idempotencyKey,
    ]);
    expect(await refusalOf(plane.ingestions.createIngestion(input, key))).toEqual(underWay(key));
    await leave(key);
    expect((await plane.ingestions.createIngestion(input, key)).id).toBe(first.id);
    expect((await plane.ingestions.createIngestion(input, key)).id).toBe(first.id);
  });

  it('is made under a new id if it was not, also if what it left is still to be removed from Prefect', async () => {
    const [input, key] = [anIngestion({ schedule: DAILY }), aKey()];
    const { id } = await plane.ingestions.createIngestion(input, key);
    await leave(key);
    await plane.sql(
      `UPDATE sluice_control.ingestion SET status = 'provisioning', operation = 'create', operation_id = id, operation_expires_at = now() - interval '1 s' WHERE id = $1`,
      [id],
    );
    expect(await refusalOf(plane.ingestions.createIngestion(input, key))).toEqual(
      new Conflict('The ingestion of this Idempotency-Key is still being created. Try again in a moment.'),
    );
    await plane.reconciler.runOnce();
    const made = await plane.ingestions.createIngestion(input, key);
    await plane.reconciler.runOnce();
    expect(made.id).not.toBe(id);
    expect(plane.fake.deployments.filter((it) => it.name.includes(id) || it.name.includes(made.id))).toMatchObject([
      { name: `ingestion-${made.id}` },
    ]);
  });
});

describe('a repeated trigger', () => {
  it('answers the run of the first, also when it has ended', async () => {
    const [{ id }, key] = [await scheduled(), aKey()];
    const first = await plane.ingestions.triggerManualRun(id, {}, key);
    expect(await plane.ingestions.triggerManualRun(id, undefined, key)).toEqual(first);
    await endRuns(id);
    expect(await plane.ingestions.triggerManualRun(id, {}, key)).toEqual(first);
    expect([await runsOf(id), flowRunsOf(id)].map((it) => it.length)).toEqual([1, 1]);
  });

  it('of twenty at once makes exactly one run', async () => {
    const [{ id }, key] = [await scheduled(), aKey()];
    await plane.fake.misbehave('slow', { route: /create_flow_run/, ms: 200 });
    const { answers, refusals } = await settled(
      Array.from({ length: 20 }, () => plane.ingestions.triggerManualRun(id, {}, key)),
    );
    expect(answers).toHaveLength(1);
    expect(refusals).toEqual(Array(19).fill(underWay(key)));
    expect(await plane.ingestions.triggerManualRun(id, {}, key)).toEqual(answers[0]);
    expect([await runsOf(id), flowRunsOf(id)].map((it) => it.length)).toEqual([1, 1]);
  });

  it('is refused with another body, and is another call on another ingestion', async () => {
    const [one, two, key] = [await scheduled(), await scheduled(), aKey()];
    const first = await plane.ingestions.triggerManualRun(one.id, {}, key);
    expect(await refusalOf(plane.ingestions.triggerManualRun(one.id, { path_prefix: 'a/' }, key))).toEqual(
      otherBody(key),
    );
    expect((await plane.ingestions.triggerManualRun(two.id, {}, key)).run_id).not.toBe(first.run_id);
  });

  it('starts a run of its own after one that was answered 503', async () => {
    const [{ id }, key] = [await scheduled(), aKey()];
    await plane.fake.misbehave('http_500', { route: /create_flow_run/ });
    expect(await refusalOf(plane.ingestions.triggerManualRun(id, {}, key))).toBeInstanceOf(OrchestrationUnavailable);
    await plane.fake.behave();
    const { run_id } = await plane.ingestions.triggerManualRun(id, {}, key);
    expect((await runsOf(id)).map((it) => [it.id === run_id, it.status])).toEqual([
      [true, 'queued'],
      [false, 'failed'],
    ]);
  });

  it('is 404 once its ingestion is gone', async () => {
    const [{ id }, key] = [await scheduled(), aKey()];
    await plane.ingestions.triggerManualRun(id, {}, key);
    await plane.ingestions.deleteIngestion(id);
    expect(await refusalOf(plane.ingestions.triggerManualRun(id, {}, key))).toEqual(new IngestionNotFound(id));
  });
});

describe('a trigger whose process died', () => {
  it('before its run row: the next makes it', async () => {
    const [{ id }, key] = [await scheduled(), aKey()];
    await plane.ingestions.triggerManualRun(id, {}, key);
    await leave(key);
    await plane.sql('DELETE FROM sluice_control.run WHERE ingestion_id = $1', [id]);
    const { run_id } = await plane.ingestions.triggerManualRun(id, {}, key);
    expect((await runsOf(id)).map((it) => it.id)).toEqual([run_id]);
  });

  it('between row and flow run: the next hands over that run, however often it is asked', async () => {
    const [{ id }, key] = [await scheduled(), aKey()];
    const { run_id } = await plane.ingestions.triggerManualRun(id, {}, key);
    await leave(key);
    plane.fake.flowRuns.splice(0);
    await plane.sql('UPDATE sluice_control.run SET flow_run_id = NULL WHERE id = $1', [run_id]);
    const again = await plane.ingestions.triggerManualRun(id, {}, key);
    expect(await plane.ingestions.triggerManualRun(id, {}, key)).toEqual(again);
    expect(again.run_id).toBe(run_id);
    expect(flowRunsOf(id).map((it) => it.id)).toEqual([again.flow_run_id]);
    expect((await runsOf(id)).map((it) => [it.id, it.flow_run_id])).toEqual([[run_id, again.flow_run_id]]);
  });

  it('after the flow run: the next answers it', async () => {
    const [{ id }, key] = [await scheduled(), aKey()];
    const first = await plane.ingestions.triggerManualRun(id, {}, key);
    await leave(key);
    await plane.sql('UPDATE sluice_control.run SET flow_run_id = NULL WHERE id = $1', [first.run_id]);
    expect(await plane.ingestions.triggerManualRun(id, {}, key)).toEqual(first);
    expect(flowRunsOf(id)).toHaveLength(1);
  });

  it('and whose run was ended as never sent: the next is a new run', async () => {
    const [{ id }, key] = [await scheduled(), aKey()];
    const first = await plane.ingestions.triggerManualRun(id, {}, key);
    await leave(key);
    await plane.sql('UPDATE sluice_control.run SET flow_run_id = NULL WHERE id = $1', [first.run_id]);
    await endRuns(id);
    expect((await plane.ingestions.triggerManualRun(id, {}, key)).run_id).not.toBe(first.run_id);
  });
});

it('a trigger that stood still while another took over its key starts nothing', async () => {
  const [{ id }, key] = [await scheduled(), aKey()];
  const { run_id } = await plane.ingestions.triggerManualRun(id);
  await plane.recorder.start(run_id, randomUUID());
  await plane.sql(`UPDATE sluice_control.run SET heartbeat_at = now() - interval '30 seconds' WHERE id = $1`, [run_id]);
  plane.fake.flowRuns.splice(0);
  await plane.fake.misbehave('slow', { route: /^GET \/flow_runs/, ms: 300 });
  plane.fake.requests.length = 0;
  const slow = refusalOf(plane.ingestions.triggerManualRun(id, {}, key));
  await until(() => plane.fake.requests.some((it) => it.path.startsWith('/flow_runs/')));
  await leave(key);
  expect(await slow).toEqual(underWay(key));
  expect(await runsOf(id)).toMatchObject([{ status: 'crashed' }]);
});

it('a trigger that stood still until its run was ended as never sent is 503, and never runs', async () => {
  const { id } = await scheduled();
  await plane.fake.misbehave('slow', { route: /create_flow_run/, ms: 300 });
  plane.fake.requests.length = 0;
  const trigger = refusalOf(plane.ingestions.triggerManualRun(id));
  await until(() => plane.fake.requests.some((it) => it.path.includes('create_flow_run')));
  await endRuns(id);
  expect(await trigger).toMatchObject({ message: 'Orchestration service unavailable. Please try again later.' });
  const [flowRun] = flowRunsOf(id);
  const entry = { ingestionId: id, flowRunId: flowRun?.id ?? '', runId: String(flowRun?.parameters['run_id']) };
  expect(await plane.recorder.enter({ ...entry, scheduled: false })).toMatchObject({ status: 'failed' });
});

describe('a key', () => {
  it('of a refresh answers its run, and its dry run needs none', async () => {
    const alone = anIngestion({ schedule: DAILY, destination: { table: 'alone' } });
    const [{ id }, key] = [await plane.ingestions.createIngestion(alone), aKey()];
    const first = await plane.ingestions.refresh(id, 'full', { confirm: true }, key);
    expect(await plane.ingestions.refresh(id, 'full', { confirm: true }, key)).toEqual(first);
    expect(await runsOf(id)).toHaveLength(1);
  });

  it('of a retry of files answers its run, though nothing has failed any more', async () => {
    const [{ id }, key] = [await scheduled(), aKey()];
    await plane.sql(
      `INSERT INTO sluice_control.processed_file (ingestion_id, path, version, status, rows, rejected, bytes, run_id)
       VALUES ($1, 'a.csv', 'v', 'failed', 0, 0, 0, $1)`,
      [id],
    );
    const first = await plane.ingestions.retryFiles(id, {}, key);
    await plane.sql(`UPDATE sluice_control.processed_file SET status = 'loaded' WHERE ingestion_id = $1`, [id]);
    expect(await plane.ingestions.retryFiles(id, {}, key)).toEqual(first);
  });

  it('given before the table of keys was there is kept', async () => {
    const database = await freshDatabase();
    const before = MIGRATIONS.slice(0, MIGRATIONS.indexOf(UnderFaults1766000000000));
    const old = await new DataSource({ ...controlDatabase(database.url), migrations: before }).initialize();
    await old.query('CREATE SCHEMA sluice_control');
    await old.runMigrations();
    await old.query(`INSERT INTO sluice_control.ingestion
      (id, name, status, source, format, destination, on_schema_change, quality, idempotency_key, idempotency_digest)
      VALUES ('00000000-0000-4000-8000-000000000001', 'x', 'draft', '{}', '{}', '{}', 'fail', '{}', 'k', 'd')`);
    const runner = old.createQueryRunner();
    await new UnderFaults1766000000000().up(runner);
    await runner.release();
    expect(
      await old.query('SELECT operation, key, digest, holder, resource_id FROM sluice_control.idempotency_key'),
    ).toEqual([
      { operation: 'create', key: 'k', digest: 'd', holder: null, resource_id: '00000000-0000-4000-8000-000000000001' },
    ]);
    await old.destroy();
    await database.drop();
  });
});
