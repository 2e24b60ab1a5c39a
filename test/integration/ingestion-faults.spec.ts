import { IngestionNotFound, OrchestrationUnavailable, type OrchestrationReason } from '@sluice/kernel';
import { anIngestion, DAILY, refusalOf, startControlPlane, until, type ControlPlane } from '../support/control-plane';
import { enterState, newState, type Misbehaviour } from '../support/fake-prefect';

let plane: ControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
});
afterEach(async () => {
  await plane.fake.behave();
  await plane.sql('DROP TRIGGER IF EXISTS broken ON sluice_control.ingestion');
  await until(() => plane.gateway.initialized);
});
afterAll(() => plane.close());

const USED = /deployments|flow_runs/;
const deploymentOf = (id: string) => plane.fake.deployments.find((it) => it.name === `ingestion-${id}`);
const scheduled = () => plane.ingestions.createIngestion(anIngestion({ schedule: DAILY }));
const sentence = (error: unknown) => error instanceof OrchestrationUnavailable && error.message;
const tombstones = () => plane.sql('SELECT ingestion_id FROM sluice_control.tombstone ORDER BY created_at');
const dueNow = () => plane.sql(`UPDATE sluice_control.tombstone SET next_attempt_at = now() - interval '1 s'`);

/** Everything that matters of the control database, runs apart. */
const ingestionRows = () =>
  plane.sql(`SELECT id, name, status, schedule, prefect_deployment_id, operation, updated_at
             FROM sluice_control.ingestion ORDER BY id`);

/** From now on the database refuses to write what follows from Prefect. */
async function breakDatabase(when = 'true'): Promise<void> {
  await plane.sql(`CREATE OR REPLACE FUNCTION sluice_control.broken() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'disk full'; END $$`);
  await plane.sql(`CREATE TRIGGER broken BEFORE UPDATE OF name, status, schedule, prefect_deployment_id
    ON sluice_control.ingestion FOR EACH ROW WHEN (${when}) EXECUTE FUNCTION sluice_control.broken()`);
}

describe('when Prefect cannot be used, the call says so in its sentence and nothing has changed', () => {
  it.each<[Misbehaviour, OrchestrationReason]>([
    ['down', 'refused'],
    ['hang', 'timeout'],
    ['http_500', 'http_5xx'],
    ['html', 'protocol'],
    ['unauthorized', 'auth'],
    ['rate_limited', 'rate_limited'],
  ])(
    '%s',
    async (kind, reason) => {
      const [draft, first, other, running, quiet, resting] = await Promise.all([
        plane.ingestions.createIngestion(anIngestion()),
        scheduled(),
        scheduled(),
        scheduled(),
        scheduled(),
        scheduled(),
      ]);
      await plane.ingestions.pauseIngestion(resting.id);
      const deployments = structuredClone(plane.fake.deployments);
      const rows = await ingestionRows();
      await plane.fake.misbehave(kind, kind === 'down' ? {} : { route: USED });

      const refusals = await Promise.all([
        refusalOf(scheduled()),
        refusalOf(plane.ingestions.updateIngestion(first.id, { schedule: { frequency: 'hourly' }, name: 'never' })),
        refusalOf(plane.ingestions.updateIngestion(draft.id, { schedule: DAILY })),
        refusalOf(plane.ingestions.updateIngestion(other.id, { schedule: null })),
        refusalOf(plane.ingestions.pauseIngestion(quiet.id)),
        refusalOf(plane.ingestions.resumeIngestion(resting.id)),
        refusalOf(plane.ingestions.triggerManualRun(running.id)),
      ]);

      expect(refusals.map(sentence)).toEqual([
        'Cannot create ingestion: Orchestration service unavailable',
        'Cannot update schedule: Orchestration service unavailable',
        'Cannot update schedule: Orchestration service unavailable',
        'Cannot update schedule: Orchestration service unavailable',
        'Cannot pause ingestion: Orchestration service unavailable',
        'Cannot resume ingestion: Orchestration service unavailable',
        'Orchestration service unavailable. Please try again later.',
      ]);
      for (const refusal of refusals) {
        expect([reason, 'not_initialized']).toContain((refusal as OrchestrationUnavailable).reason);
      }
      expect(await ingestionRows()).toEqual(rows);
      await plane.fake.behave();
      expect(plane.fake.deployments).toEqual(deployments);
      const runs = await plane.sql('SELECT status FROM sluice_control.run WHERE ingestion_id = $1', [running.id]);
      expect(runs.filter((run) => run['status'] !== 'failed')).toEqual([]);
    },
    30_000,
  );

  it('not initialized: a create writes nothing at all, not even a tombstone', async () => {
    const before = await tombstones();
    await plane.fake.misbehave('http_500');
    await until(() => !plane.gateway.initialized);
    const rows = await ingestionRows();
    expect(await refusalOf(scheduled())).toMatchObject({
      reason: 'not_initialized',
      message: 'Cannot create ingestion: Orchestration service unavailable',
    });
    expect(await ingestionRows()).toEqual(rows);
    expect(await tombstones()).toEqual(before);
  });

  it('a failed create leaves a tombstone, and its name is free again', async () => {
    await plane.sql('DELETE FROM sluice_control.tombstone');
    await plane.fake.misbehave('http_500', { route: USED });
    const input = anIngestion({ schedule: DAILY });
    await refusalOf(plane.ingestions.createIngestion(input));
    expect(await tombstones()).toHaveLength(1);
    await plane.fake.behave();
    expect((await plane.ingestions.createIngestion(input)).status).toBe('active');
  });

  it('the tombstone of a create waits for a call that may arrive late, also when the last attempt was refused', async () => {
    await plane.sql('DELETE FROM sluice_control.tombstone');
    const refused = jest
      .spyOn(plane.gateway, 'upsertDeployment')
      .mockRejectedValueOnce(new OrchestrationUnavailable('refused', 'Prefect does not accept connections.'));
    await refusalOf(scheduled());
    refused.mockRestore();
    const waits = `SELECT next_attempt_at > now() + interval '10 s' AS waits FROM sluice_control.tombstone`;
    expect(await plane.sql(waits)).toEqual([{ waits: true }]);
  });

  it('drafts, names, pausing a draft and reading go on, with the next run as Prefect planned it before', async () => {
    const active = await scheduled();
    const next = async () => (await plane.ingestions.getIngestion(active.id)).metadata.next_run_time;
    await until(async () => (await next()) !== null);
    const planned = await next();
    await plane.fake.misbehave('down');
    await until(() => !plane.gateway.initialized);
    const draft = await plane.ingestions.createIngestion(anIngestion());
    expect((await plane.ingestions.pauseIngestion(draft.id)).status).toBe('paused');
    const renamed = await plane.ingestions.updateIngestion(active.id, { name: `new ${active.id}` });
    expect(renamed).toMatchObject({ name: `new ${active.id}`, metadata: { next_run_time: planned } });
    expect((await plane.ingestions.listIngestions({ limit: 200 })).items.length).toBeGreaterThan(1);
  });
});

describe('a withdrawn deployment whose removal takes too long', () => {
  it('is not removed any more once the claim is given back', async () => {
    const { id } = await scheduled();
    await plane.fake.misbehave('slow', { route: /GET \/deployments\/name/, ms: 2_400 });
    plane.fake.requests.length = 0;
    await plane.ingestions.updateIngestion(id, { schedule: null });
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(plane.fake.requests.filter(({ method }) => method === 'DELETE')).toEqual([]);
    expect(deploymentOf(id)).toMatchObject({ paused: true });
  });
});

describe('a call that arrives in Prefect after the ingestion was compared', () => {
  const CREATION = /^POST \/deployments\/$/;
  const arriveLate = async (body: unknown) => {
    const headers = { 'content-type': 'application/json' };
    const url = `${plane.fake.apiUrl}/deployments/`;
    expect((await fetch(url, { method: 'POST', headers, body: JSON.stringify(body) })).status).toBeLessThan(300);
  };
  const creationOf = (id: string) =>
    plane.fake.requests.findLast(({ body }) => (body as { name?: string } | undefined)?.name === `ingestion-${id}`)!
      .body;
  beforeEach(async () => {
    await plane.sql('UPDATE sluice_control.ingestion SET drift_suspected = false, late_calls_until = NULL');
    await plane.sql('DELETE FROM sluice_control.tombstone');
  });
  const allArrived = (id: string) =>
    plane.sql(`UPDATE sluice_control.ingestion SET late_calls_until = now() WHERE id = $1`, [id]);
  const looksLeft = (id: string) =>
    plane.sql(`SELECT drift_suspected, late_calls_until > now() AS again FROM sluice_control.ingestion WHERE id = $1`, [
      id,
    ]);

  const failedFirst = async () => {
    const { id } = await plane.ingestions.createIngestion(anIngestion());
    await plane.fake.misbehave('http_500', { route: CREATION });
    await refusalOf(plane.ingestions.updateIngestion(id, { schedule: DAILY }));
    await plane.fake.behave();
    return id;
  };

  it('leaves no timetable on a draft: it is compared at once, and again when no call can arrive any more', async () => {
    const id = await failedFirst();
    expect(await plane.reconciler.runOnce()).toContain(
      `There is no deployment of ingestion ${id}, which has no schedule`,
    );
    await arriveLate(creationOf(id));
    expect(await plane.reconciler.runOnce()).toEqual([]);
    expect(await looksLeft(id)).toEqual([{ drift_suspected: false, again: true }]);
    await allArrived(id);
    expect(await plane.reconciler.runOnce()).toEqual([
      `Removed the deployment of ingestion ${id}, which has no schedule`,
    ]);
    expect(deploymentOf(id)).toBeUndefined();
    expect(await looksLeft(id)).toEqual([{ drift_suspected: false, again: null }]);
  });

  it('does not outlive an ingestion that is deleted meanwhile', async () => {
    const id = await failedFirst();
    await plane.reconciler.runOnce();
    await plane.ingestions.deleteIngestion(id);
    await arriveLate(creationOf(id));
    await plane.reconciler.runOnce();
    expect(await tombstones()).toContainEqual({ ingestion_id: id });
    await dueNow();
    await plane.reconciler.runOnce();
    expect(deploymentOf(id)).toBeUndefined();
  });

  it('is waited for anew when the repair fails too', async () => {
    const id = await failedFirst();
    await allArrived(id);
    await plane.fake.misbehave('http_500', { route: /^POST \/deployments\/filter$/ });
    await plane.reconciler.runOnce();
    expect(await looksLeft(id)).toEqual([{ drift_suspected: true, again: true }]);
  });
});

describe('an answer of Prefect that got lost', () => {
  it('of a create is found by name', async () => {
    await plane.fake.misbehave('lost_answer', { route: /^POST \/deployments\/$/, times: 1 });
    const made = await scheduled();
    expect(made.prefect_deployment_id).toBe(deploymentOf(made.id)?.id);
  });

  it('of a pause is a 503, and the reconciler takes the pause back', async () => {
    const { id } = await scheduled();
    await plane.fake.misbehave('lost_answer', { route: /pause_deployment/ });
    expect(sentence(await refusalOf(plane.ingestions.pauseIngestion(id)))).toBe(
      'Cannot pause ingestion: Orchestration service unavailable',
    );
    await plane.fake.behave();
    expect(deploymentOf(id)?.paused).toBe(true);
    expect((await plane.ingestions.getIngestion(id)).status).toBe('active');
    await until(async () => (await plane.reconciler.runOnce()).some((it) => it.includes(id)));
    expect(deploymentOf(id)?.paused).toBe(false);
    expect((await plane.reconciler.runOnce()).filter((it) => it.includes(id))).toEqual([]);
  });

  it('of a first schedule is a 503, and the reconciler removes what the draft does not need', async () => {
    const { id } = await plane.ingestions.createIngestion(anIngestion());
    await plane.fake.misbehave('lost_answer', { route: /^POST \/deployments\/$/ });
    await plane.fake.misbehave('http_503', { route: /^GET \/deployments\/name/ });
    expect(sentence(await refusalOf(plane.ingestions.updateIngestion(id, { schedule: DAILY })))).toBe(
      'Cannot update schedule: Orchestration service unavailable',
    );
    await plane.fake.behave();
    await until(async () => {
      await plane.reconciler.runOnce();
      return deploymentOf(id) === undefined;
    });
    expect((await plane.ingestions.getIngestion(id)).status).toBe('draft');
  });
});

describe('when the database fails after Prefect has done its part, Prefect is as it was', () => {
  const failure = expect.objectContaining({ message: 'disk full' });

  it('create: the deployment is removed, no row is left', async () => {
    const count = plane.fake.deployments.length;
    await breakDatabase(`NEW.status = 'active'`);
    const rows = await ingestionRows();
    expect(await refusalOf(scheduled())).toEqual(failure);
    expect(plane.fake.requests.some((it) => it.method === 'POST' && it.path === '/deployments/')).toBe(true);
    expect(plane.fake.deployments).toHaveLength(count);
    expect(await ingestionRows()).toEqual(rows);
  });

  it('update: the old time is back, under the same schedule id', async () => {
    const { id } = await scheduled();
    const before = structuredClone(deploymentOf(id)?.schedules[0]);
    await breakDatabase();
    plane.fake.requests.length = 0;
    expect(await refusalOf(plane.ingestions.updateIngestion(id, { schedule: { frequency: 'hourly' } }))).toEqual(
      failure,
    );
    expect(plane.fake.requests.filter((it) => it.method === 'PATCH')).toHaveLength(2);
    expect(deploymentOf(id)?.schedules[0]).toMatchObject({ id: before?.id, schedule: before?.schedule });
  });

  it('pause and resume: the deployment runs, or rests, as before', async () => {
    const { id } = await scheduled();
    await breakDatabase();
    plane.fake.requests.length = 0;
    expect(await refusalOf(plane.ingestions.pauseIngestion(id))).toEqual(failure);
    expect(deploymentOf(id)?.paused).toBe(false);
    const asked = plane.fake.requests.map((it) => it.path.split('/').at(-1) ?? '');
    expect(asked.filter((it) => it.endsWith('_deployment'))).toEqual(['pause_deployment', 'resume_deployment']);
  });

  it('first schedule: the deployment is removed', async () => {
    const { id } = await plane.ingestions.createIngestion(anIngestion());
    await breakDatabase();
    expect(await refusalOf(plane.ingestions.updateIngestion(id, { schedule: DAILY }))).toEqual(failure);
    expect(deploymentOf(id)).toBeUndefined();
  });

  it('schedule null: the deployment is there and active, with its id', async () => {
    const { id, prefect_deployment_id } = await scheduled();
    await breakDatabase();
    expect(await refusalOf(plane.ingestions.updateIngestion(id, { schedule: null }))).toEqual(failure);
    expect(deploymentOf(id)).toMatchObject({ id: prefect_deployment_id, paused: false });
  });

  it('leaves the ingestion free for the next operation', async () => {
    const { id } = await scheduled();
    await breakDatabase();
    await refusalOf(plane.ingestions.pauseIngestion(id));
    await plane.sql('DROP TRIGGER broken ON sluice_control.ingestion');
    expect((await plane.ingestions.pauseIngestion(id)).status).toBe('paused');
  });
});

describe('delete goes through', () => {
  it('while Prefect is down; a later sweep removes the deployment', async () => {
    await plane.sql('DELETE FROM sluice_control.tombstone');
    const { id } = await scheduled();
    await plane.fake.misbehave('down');
    await plane.ingestions.deleteIngestion(id);
    expect(await refusalOf(plane.ingestions.getIngestion(id))).toEqual(new IngestionNotFound(id));
    expect(await tombstones()).toEqual([{ ingestion_id: id }]);
    await plane.fake.behave();
    expect(deploymentOf(id)).toMatchObject({ name: `ingestion-${id}` });
    await until(() => plane.gateway.initialized);
    await dueNow();
    expect(await plane.reconciler.runOnce()).toContain(`Removed the deployment of deleted ingestion ${id}`);
    expect(deploymentOf(id)).toBeUndefined();
    expect(await tombstones()).toEqual([]);
  });

  it('within about 2 s while Prefect hangs', async () => {
    const { id } = await scheduled();
    await plane.fake.misbehave('hang', { route: USED });
    const start = performance.now();
    await plane.ingestions.deleteIngestion(id);
    // An operation that waits for Prefect takes 5 s.
    expect(performance.now() - start).toBeLessThan(4_500);
    expect(await tombstones()).toContainEqual({ ingestion_id: id });
  });

  it('and waits longer after each failed attempt', async () => {
    const { id } = await scheduled();
    await plane.fake.misbehave('http_500', { route: USED });
    await plane.ingestions.deleteIngestion(id);
    await dueNow();
    await plane.reconciler.runOnce();
    const [row] = await plane.sql(
      `SELECT attempts, last_error, next_attempt_at > now() + interval '8 seconds' AS later
       FROM sluice_control.tombstone WHERE ingestion_id = $1`,
      [id],
    );
    expect(row).toEqual({ attempts: 2, last_error: 'Prefect answered with a server error.', later: true });
  });

  it('and cancels the flow runs that are active', async () => {
    const { id } = await scheduled();
    const { flow_run_id } = await plane.ingestions.triggerManualRun(id);
    const flowRun = plane.fake.flowRuns.find((it) => it.id === flow_run_id);
    if (flowRun) enterState(flowRun, newState('RUNNING'));
    await plane.ingestions.deleteIngestion(id);
    expect(flowRun?.state_type).toBe('CANCELLING');
    expect(deploymentOf(id)).toBeUndefined();
  });
});
