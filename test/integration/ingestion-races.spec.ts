import { randomUUID } from 'node:crypto';
import { Conflict, IngestionNotFound, NameTaken, RunActive } from '@sluice/kernel';
import { anIngestion, DAILY, refusalOf, startControlPlane, until, type ControlPlane } from '../support/control-plane';

let plane: ControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
});
beforeEach(() => {
  plane.fake.requests.length = 0;
});
afterEach(() => plane.fake.behave());
afterAll(() => plane.close());

const TWENTY = Array.from({ length: 20 }, (_, index) => index);
const deploymentOf = (id: string) => plane.fake.deployments.find((it) => it.name === `ingestion-${id}`);
const scheduled = () => plane.ingestions.createIngestion(anIngestion({ schedule: DAILY }));

/** Who won, and what the others were told. */
async function outcomes<T>(calls: Promise<T>[]): Promise<{ won: T[]; refusals: unknown[] }> {
  const all = await Promise.allSettled(calls);
  return {
    won: all.flatMap((it) => (it.status === 'fulfilled' ? [it.value] : [])),
    refusals: all.flatMap((it) => (it.status === 'rejected' ? [it.reason as unknown] : [])),
  };
}

describe('of twenty at once', () => {
  it('one creation gets the name', async () => {
    const input = anIngestion({ schedule: DAILY });
    const { won, refusals } = await outcomes(TWENTY.map(() => plane.ingestions.createIngestion(input)));
    expect(won).toHaveLength(1);
    expect(refusals).toEqual(Array(19).fill(new NameTaken(input.name)));
  });

  it('one creation gets a table that it overwrites', async () => {
    const destination = { table: 'mine_alone', write_mode: 'overwrite' };
    const create = () => plane.ingestions.createIngestion(anIngestion({ destination }));
    const { won, refusals } = await outcomes(TWENTY.map(create));
    expect(won).toHaveLength(1);
    const [{ id, name } = { id: '', name: '' }] = won;
    expect(refusals).toEqual(
      Array(19).fill(
        new Conflict(
          `Table public.mine_alone is overwritten by ingestion "${name}" (${id}). Choose another destination.table.`,
        ),
      ),
    );
  });

  it('either new ingestions join a table or it is built anew', async () => {
    const destination = { table: 'joined' };
    const { id } = await plane.ingestions.createIngestion(anIngestion({ destination, schedule: DAILY }));
    const joining = TWENTY.map(() => plane.ingestions.createIngestion(anIngestion({ destination })));
    const [refreshed] = await Promise.allSettled([plane.ingestions.refresh(id, 'full', { confirm: true }), ...joining]);
    const joined = (await outcomes(joining)).won.length;
    expect(refreshed.status).toBe(joined === 0 ? 'fulfilled' : 'rejected');
  });

  it('one trigger starts a run, and Prefect gets one flow run', async () => {
    const { id } = await scheduled();
    const { won, refusals } = await outcomes(TWENTY.map(() => plane.ingestions.triggerManualRun(id)));
    expect(won).toHaveLength(1);
    for (const refusal of refusals) expect([RunActive, Conflict]).toContain((refusal as Error).constructor);
    expect(plane.fake.flowRuns.filter((it) => it.parameters['ingestion_id'] === id && !it.auto_scheduled)).toHaveLength(
      1,
    );
    expect((await plane.runs.listRuns(id)).items).toHaveLength(1);
  });

  it('one process starts a run', async () => {
    const { id } = await scheduled();
    const { run_id } = await plane.ingestions.triggerManualRun(id);
    const started = await Promise.all(TWENTY.map(() => plane.recorder.start(run_id, randomUUID())));
    expect(started.filter(Boolean)).toHaveLength(1);
  });

  it('one entry makes the row of a flow run', async () => {
    const { id } = await scheduled();
    const entry = { ingestionId: id, flowRunId: randomUUID(), runId: null, scheduled: true };
    const entered = await Promise.all(TWENTY.map(() => plane.recorder.enter(entry)));
    expect(new Set(entered.map((it) => it.id)).size).toBe(1);
  });

  it('one process adds a schema version', async () => {
    const { id } = await scheduled();
    const version = { after: 0, columns: [], changes: [], dialect: null, file: 'a.csv' };
    const added = await Promise.all(TWENTY.map(() => plane.recorder.addSchemaVersion(id, version)));
    expect(added.filter(Boolean)).toHaveLength(1);
  });
});

describe('two operations on one ingestion at once', () => {
  it('one wins, the other is a conflict, and Prefect and the row agree', async () => {
    const { id } = await scheduled();
    await plane.fake.misbehave('slow', { route: /deployments/, ms: 200 });
    const { won, refusals } = await outcomes([
      plane.ingestions.pauseIngestion(id),
      plane.ingestions.updateIngestion(id, { schedule: { frequency: 'hourly' } }),
    ]);
    expect(won).toHaveLength(1);
    expect(refusals).toHaveLength(1);
    expect(refusals[0]).toBeInstanceOf(Conflict);
    expect((refusals[0] as Error).message).toMatch(
      /^Another operation \((pause|update)\) on ingestion .* is under way\./,
    );
    const row = await plane.ingestions.getIngestion(id);
    expect(deploymentOf(id)?.paused).toBe(row.status === 'paused');
    expect(deploymentOf(id)?.schedules[0]?.schedule.cron).toBe(
      row.schedule?.frequency === 'hourly' ? '0 * * * *' : '0 6 * * *',
    );
  });

  it('the next one after them is free to go', async () => {
    const { id } = await scheduled();
    await outcomes([plane.ingestions.pauseIngestion(id), plane.ingestions.resumeIngestion(id)]);
    expect((await plane.ingestions.pauseIngestion(id)).status).toBe('paused');
  });
});

describe('delete wins over an operation under way', () => {
  it('a first schedule: its caller is told that the ingestion is gone, and no deployment is left', async () => {
    const { id } = await plane.ingestions.createIngestion(anIngestion());
    await plane.fake.misbehave('slow', { route: /^POST \/deployments\/$/, ms: 400 });
    const update = refusalOf(plane.ingestions.updateIngestion(id, { schedule: DAILY }));
    await until(() => plane.fake.requests.some((it) => it.path.includes(`ingestion-${id}`)));
    await plane.ingestions.deleteIngestion(id);
    expect(await update).toEqual(new IngestionNotFound(id));
    expect(deploymentOf(id)).toBeUndefined();
  });

  it('a first schedule that reaches Prefect only after the deletion: what it made is removed by its own call', async () => {
    const { id } = await plane.ingestions.createIngestion(anIngestion());
    await plane.fake.misbehave('slow', { route: /^GET \/deployments\/name/, ms: 400, times: 1 });
    const update = refusalOf(plane.ingestions.updateIngestion(id, { schedule: DAILY }));
    await until(() => plane.fake.requests.some((it) => it.path.includes(`ingestion-${id}`)));
    await plane.ingestions.deleteIngestion(id);
    expect(await update).toEqual(new IngestionNotFound(id));
    expect(plane.fake.requests.some((it) => it.method === 'POST' && it.path === '/deployments/')).toBe(true);
    expect(deploymentOf(id)).toBeUndefined();
  });

  it('the tombstone waits until the operation can no longer leave anything behind', async () => {
    const { id } = await scheduled();
    await plane.fake.misbehave('slow', { route: /pause_deployment/, ms: 300 });
    const pause = refusalOf(plane.ingestions.pauseIngestion(id));
    await until(() => plane.fake.requests.some((it) => it.path.includes('pause_deployment')));
    await plane.ingestions.deleteIngestion(id);
    expect(await pause).toEqual(new IngestionNotFound(id));
    const [row] = await plane.sql(
      `SELECT next_attempt_at > now() + interval '20 seconds' AS waits FROM sluice_control.tombstone WHERE ingestion_id = $1`,
      [id],
    );
    expect(row).toEqual({ waits: true });
  });

  it('a trigger: its caller is told that the ingestion is gone', async () => {
    const { id } = await scheduled();
    await plane.fake.misbehave('slow', { route: /create_flow_run/, ms: 300 });
    const trigger = refusalOf(plane.ingestions.triggerManualRun(id));
    await until(() => plane.fake.requests.some((it) => it.path.includes('create_flow_run')));
    await plane.ingestions.deleteIngestion(id);
    expect(await trigger).toEqual(new IngestionNotFound(id));
    expect(deploymentOf(id)).toBeUndefined();
  });
});

describe('an operation whose claim expired', () => {
  it('gives way to the next, and does not overwrite it', async () => {
    const { id } = await scheduled();
    await plane.fake.misbehave('slow', { route: /pause_deployment/, ms: 300, times: 1 });
    const slow = refusalOf(plane.ingestions.pauseIngestion(id));
    await until(() => plane.fake.requests.some((it) => it.path.includes('pause_deployment')));
    await plane.sql(`UPDATE sluice_control.ingestion SET operation_expires_at = now() - interval '1 s' WHERE id = $1`, [
      id,
    ]);
    const { updated_at } = await plane.ingestions.updateIngestion(id, { name: `second ${id}` });
    expect(await slow).toBeInstanceOf(Conflict);
    expect(await plane.ingestions.getIngestion(id)).toMatchObject({ status: 'active', updated_at });
  });
});
