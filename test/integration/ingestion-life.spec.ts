import { IngestionNotFound, NameTaken, ValueError } from '@sluice/kernel';
import { anIngestion, DAILY, refusalOf, startControlPlane, type ControlPlane } from '../support/control-plane';

let plane: ControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
});
afterAll(() => plane.close());

const deploymentOf = (id: string) => plane.fake.deployments.find((it) => it.name === `ingestion-${id}`);
/** Without what the gateway's own probe asks all the time. */
const askedOfPrefect = () =>
  plane.fake.requests.filter(
    (it) => it.path.startsWith('/deployments') && it.path !== '/deployments/filter' && !isOfCanary(it),
  );
/** Watching the scheduler goes on by itself. */
const isOfCanary = ({ path, body }: { path: string; body: unknown }) =>
  path.includes('sluice-canary') ||
  (body as { name?: string } | undefined)?.name === 'sluice-canary' ||
  plane.fake.canaries.some(({ id }) => path.includes(id));
const NOBODY = '00000000-0000-4000-8000-000000000000';

describe('an ingestion without a schedule', () => {
  it('is a draft with all defaults, and Prefect is not asked', async () => {
    plane.fake.requests.length = 0;
    const input = anIngestion();
    const made = await plane.ingestions.createIngestion(input);
    expect(made).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      name: input.name,
      status: 'draft',
      source: { type: 'file', path: '/data/in', file_pattern: '*', options: {}, credentials: [] },
      format: { type: 'auto', options: {} },
      destination: { schema: 'public', table: 'trips', write_mode: 'append', merge_keys: [] },
      schedule: null,
      schema: { columns: {}, all_text: false, mode: 'infer', locked: false, drop_removed: false },
      changed_files: 'skip',
      on_schema_change: 'append_new_columns',
      quality: {
        on_error: 'fail_file',
        max_rejected_rows: 0,
        min_rows: null,
        max_drop_percent: null,
        max_age_seconds: null,
      },
      prefect_deployment_id: null,
      error_reason: null,
      metadata: {
        last_run_id: null,
        last_run_time: null,
        last_run_status: null,
        next_run_time: null,
        schema_version: 0,
        consecutive_failures: 0,
        freshness: { status: 'unwatched', fresh_at: expect.any(Date), stale_since: null, max_age_seconds: null },
      },
      counters: { missed: 0, superseded: 0, overlap_skipped: 0 },
      created_at: expect.any(Date),
      updated_at: expect.any(Date),
    });
    expect(askedOfPrefect()).toEqual([]);
    expect(await plane.ingestions.getIngestion(made.id)).toEqual(made);
  });

  it('pauses to paused and resumes to draft', async () => {
    const { id } = await plane.ingestions.createIngestion(anIngestion());
    expect((await plane.ingestions.pauseIngestion(id)).status).toBe('paused');
    expect((await plane.ingestions.pauseIngestion(id)).status).toBe('paused');
    expect((await plane.ingestions.resumeIngestion(id)).status).toBe('draft');
  });

  it('gets its deployment with its first schedule and loses it with schedule null', async () => {
    const { id } = await plane.ingestions.createIngestion(anIngestion());
    const scheduled = await plane.ingestions.updateIngestion(id, { schedule: DAILY });
    expect(scheduled).toMatchObject({ status: 'active', prefect_deployment_id: deploymentOf(id)?.id });
    expect(deploymentOf(id)).toMatchObject({ paused: false, schedules: [{ schedule: { cron: '0 6 * * *' } }] });
    const draft = await plane.ingestions.updateIngestion(id, { schedule: null });
    expect(draft).toMatchObject({ status: 'draft', prefect_deployment_id: null, schedule: null });
    expect(deploymentOf(id)).toBeUndefined();
    const again = await plane.ingestions.updateIngestion(id, { schedule: DAILY });
    expect(again.prefect_deployment_id).toBe(deploymentOf(id)?.id);
  });

  it('stays paused when it was paused before its first schedule', async () => {
    const { id } = await plane.ingestions.createIngestion(anIngestion());
    await plane.ingestions.pauseIngestion(id);
    expect((await plane.ingestions.updateIngestion(id, { schedule: DAILY })).status).toBe('paused');
    expect(deploymentOf(id)?.paused).toBe(true);
  });
});

describe('an ingestion with a schedule', () => {
  it('is active, with a deployment that has its title, its tag and one schedule', async () => {
    const made = await plane.ingestions.createIngestion(
      anIngestion({ name: 'Trips / 100%', schedule: { frequency: 'weekly', time: '14:30', timezone: 'Europe/Paris' } }),
    );
    expect(made.status).toBe('active');
    expect(deploymentOf(made.id)).toMatchObject({
      id: made.prefect_deployment_id,
      description: 'Trips / 100%',
      tags: ['sluice', expect.stringMatching(/^sluice:[0-9a-f-]{36}$/)],
      paused: false,
      parameters: { ingestion_id: made.id },
      schedules: [{ slug: 'main', schedule: { cron: '30 14 * * 0', timezone: 'Europe/Paris' } }],
    });
  });

  it('shows the next run that Prefect has planned, and none while it is paused', async () => {
    const { id } = await plane.ingestions.createIngestion(anIngestion({ schedule: DAILY }));
    const planned = plane.fake.flowRuns.filter((it) => it.parameters['ingestion_id'] === id);
    const { metadata } = await plane.ingestions.getIngestion(id);
    expect(metadata.next_run_time).toEqual(new Date(planned[0]!.expected_start_time));
    expect((await plane.ingestions.pauseIngestion(id)).metadata.next_run_time).toBeNull();
  });

  it('has no timetable in Prefect when it is manual', async () => {
    const made = await plane.ingestions.createIngestion(anIngestion({ schedule: { frequency: 'manual' } }));
    expect(made.status).toBe('active');
    expect(deploymentOf(made.id)?.schedules).toEqual([]);
  });

  it('keeps the schedule in Prefect, with its id, when its time changes', async () => {
    const { id } = await plane.ingestions.createIngestion(anIngestion({ schedule: { frequency: 'hourly' } }));
    const before = deploymentOf(id)?.schedules[0]?.id;
    const changed = await plane.ingestions.updateIngestion(id, { schedule: { frequency: 'daily', time: '14:30' } });
    expect(changed.schedule).toMatchObject({ frequency: 'daily', time: '14:30' });
    expect(deploymentOf(id)?.schedules).toMatchObject([{ id: before, schedule: { cron: '30 14 * * *' } }]);
  });

  it('is renamed and reworded without Prefect', async () => {
    const { id } = await plane.ingestions.createIngestion(
      anIngestion({ schedule: { frequency: 'daily', time: '14:30' } }),
    );
    await plane.fake.misbehave('http_500', { route: /deployments/ });
    const changed = await plane.ingestions.updateIngestion(id, {
      name: `renamed ${id}`,
      format: { type: 'csv', options: { delimiter: ';' } },
      on_schema_change: 'fail',
      schedule: { frequency: 'custom', cron_expression: '30 14 * * *', missed_runs: 'none' },
    });
    await plane.fake.behave();
    expect(changed).toMatchObject({
      name: `renamed ${id}`,
      format: { type: 'csv', options: { delimiter: ';' } },
      on_schema_change: 'fail',
      schedule: { frequency: 'custom', missed_runs: 'none' },
    });
  });

  it('is refused where format and schema would not fit together any more', async () => {
    const { id } = await plane.ingestions.createIngestion(anIngestion({ schema: { columns: { photo: 'bytea' } } }));
    const refusal = await refusalOf(plane.ingestions.updateIngestion(id, { format: { type: 'csv' } }));
    expect(refusal).toMatchObject({ code: 'VALUE_ERROR', path: 'schema.columns.photo' });
    await plane.ingestions.updateIngestion(id, { format: { type: 'csv' }, schema: {} });
    const other = plane.ingestions.updateIngestion(id, { schema: { columns: { photo: 'bytea' } } });
    expect(await refusalOf(other)).toMatchObject({ code: 'VALUE_ERROR', path: 'schema.columns.photo' });
  });

  it('keeps what an update leaves out', async () => {
    const made = await plane.ingestions.createIngestion(anIngestion({ schedule: DAILY, on_schema_change: 'fail' }));
    const changed = await plane.ingestions.updateIngestion(made.id, { format: { type: 'json' } });
    expect(changed).toEqual({ ...made, format: { type: 'json', options: {} }, updated_at: changed.updated_at });
    expect(changed.updated_at).not.toEqual(made.updated_at);
  });

  it('is paused and resumed in Prefect, any number of times', async () => {
    const { id } = await plane.ingestions.createIngestion(anIngestion({ schedule: DAILY }));
    for (const status of ['paused', 'paused', 'active', 'active'] as const) {
      const call = status === 'paused' ? plane.ingestions.pauseIngestion(id) : plane.ingestions.resumeIngestion(id);
      expect((await call).status).toBe(status);
      expect(deploymentOf(id)?.paused).toBe(status === 'paused');
    }
  });

  it('stays paused when its schedule changes', async () => {
    const { id } = await plane.ingestions.createIngestion(anIngestion({ schedule: DAILY }));
    await plane.ingestions.pauseIngestion(id);
    expect((await plane.ingestions.updateIngestion(id, { schedule: { frequency: 'hourly' } })).status).toBe('paused');
    expect(deploymentOf(id)).toMatchObject({ paused: true, schedules: [{ schedule: { cron: '0 * * * *' } }] });
  });

  it('gets a new deployment when somebody removed its own from Prefect', async () => {
    const made = await plane.ingestions.createIngestion(anIngestion({ schedule: DAILY }));
    plane.fake.deployments.splice(0, plane.fake.deployments.length);
    const paused = await plane.ingestions.pauseIngestion(made.id);
    expect(paused.prefect_deployment_id).not.toBe(made.prefect_deployment_id);
    expect(deploymentOf(made.id)).toMatchObject({ id: paused.prefect_deployment_id, paused: true });
  });

  it('is gone with its deployment, runs and tombstone when it is deleted', async () => {
    const { id } = await plane.ingestions.createIngestion(anIngestion({ schedule: DAILY }));
    await plane.ingestions.triggerManualRun(id);
    await plane.ingestions.deleteIngestion(id);
    expect(deploymentOf(id)).toBeUndefined();
    expect(await refusalOf(plane.ingestions.getIngestion(id))).toBeInstanceOf(IngestionNotFound);
    expect(await plane.sql('SELECT 1 FROM sluice_control.run WHERE ingestion_id = $1', [id])).toEqual([]);
    expect(await plane.sql('SELECT 1 FROM sluice_control.tombstone')).toEqual([]);
  });
});

describe('a wrong value', () => {
  it('is refused before anything is written or asked of Prefect', async () => {
    plane.fake.requests.length = 0;
    const [before] = await plane.sql('SELECT count(*) FROM sluice_control.ingestion');
    const wrong = anIngestion({ schedule: { frequency: 'custom', cron_expression: '0 0 31 2 *' } });
    expect(await refusalOf(plane.ingestions.createIngestion(wrong))).toMatchObject({
      code: 'VALUE_ERROR',
      path: 'schedule.cron_expression',
    });
    expect(await plane.sql('SELECT count(*) FROM sluice_control.ingestion')).toEqual([before]);
    expect(askedOfPrefect()).toEqual([]);
  });

  it('is a name that another ingestion has; upper and lower case differ', async () => {
    const { name } = await plane.ingestions.createIngestion(anIngestion());
    const other = await plane.ingestions.createIngestion(anIngestion({ name: name.toUpperCase() }));
    expect(await refusalOf(plane.ingestions.createIngestion(anIngestion({ name })))).toEqual(new NameTaken(name));
    expect(await refusalOf(plane.ingestions.updateIngestion(other.id, { name }))).toEqual(new NameTaken(name));
    expect((await plane.ingestions.updateIngestion(other.id, { name: other.name })).name).toBe(other.name);
  });

  it.each([NOBODY, 'not-a-uuid'])('is an id that does not exist: %s', async (id) => {
    const calls = [
      () => plane.ingestions.getIngestion(id),
      () => plane.ingestions.updateIngestion(id, {}),
      () => plane.ingestions.pauseIngestion(id),
      () => plane.ingestions.resumeIngestion(id),
      () => plane.ingestions.deleteIngestion(id),
      () => plane.ingestions.triggerManualRun(id),
      () => plane.runs.listRuns(id),
      () => plane.runs.listFiles(id),
      () => plane.runs.listSchemaVersions(id),
    ];
    for (const call of calls) expect(await refusalOf(call())).toEqual(new IngestionNotFound(id));
  });
});

describe('credentials', () => {
  const source = (credentials: Record<string, string>) => ({ type: 'file', path: '/data/in', credentials });

  it('go in and never come out; only their keys are shown', async () => {
    const made = await plane.ingestions.createIngestion(
      anIngestion({ source: source({ user: 'me', password: 'hush-hush' }) }),
    );
    expect(made.source.credentials).toEqual(['password', 'user']);
    const stored = await plane.sql<{ row: string; bytes: Buffer }>(
      `SELECT (to_jsonb(i) - 'credentials')::text AS row, credentials AS bytes FROM sluice_control.ingestion i WHERE id = $1`,
      [made.id],
    );
    expect(stored[0]?.row).not.toContain('hush-hush');
    expect(stored[0]?.bytes.toString('latin1')).not.toContain('hush-hush');
    expect(stored[0]?.bytes.length).toBeGreaterThan(29);
  });

  it('are replaced as a whole and removed by null', async () => {
    const { id } = await plane.ingestions.createIngestion(anIngestion({ source: source({ user: 'me' }) }));
    const replaced = await plane.ingestions.updateIngestion(id, { source: { credentials: { token: 'x' } } });
    expect(replaced.source.credentials).toEqual(['token']);
    const removed = await plane.ingestions.updateIngestion(id, { source: { credentials: null } });
    expect(removed.source.credentials).toEqual([]);
    expect(await plane.sql('SELECT credentials FROM sluice_control.ingestion WHERE id = $1', [id])).toEqual([
      { credentials: null },
    ]);
  });

  it('are refused without a key, with what to do', async () => {
    const keyless = await startControlPlane({ SLUICE_SECRET_KEY: '' });
    try {
      const refusal = await refusalOf(
        keyless.ingestions.createIngestion(anIngestion({ source: source({ token: 'x' }) })),
      );
      expect(refusal).toBeInstanceOf(ValueError);
      expect(refusal).toMatchObject({
        path: 'source.credentials',
        message:
          'source.credentials cannot be kept: there is no key to seal them with. Set SLUICE_SECRET_KEY to 32 random bytes in base64 (openssl rand -base64 32) and start again.',
      });
    } finally {
      await keyless.close();
    }
  });
});

describe('the list', () => {
  it('gives every ingestion once, newest first, in pages', async () => {
    const all: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await plane.ingestions.listIngestions({ limit: 3, cursor });
      all.push(...page.items.map((it) => it.id));
      cursor = page.next_cursor ?? undefined;
    } while (cursor);
    const stored = await plane.sql<{ id: string }>(
      'SELECT id FROM sluice_control.ingestion ORDER BY created_at DESC, id DESC',
    );
    expect(stored.length).toBeGreaterThan(6);
    expect(all).toEqual(stored.map((it) => it.id));
  });

  it('filters by status and by the whole name', async () => {
    const { name, id } = await plane.ingestions.createIngestion(anIngestion());
    await plane.ingestions.pauseIngestion(id);
    const page = await plane.ingestions.listIngestions({ name, status: 'paused' });
    expect(page.items.map((it) => it.id)).toEqual([id]);
    expect((await plane.ingestions.listIngestions({ name, status: 'active' })).items).toEqual([]);
    expect((await plane.ingestions.listIngestions({ name: name.slice(1) })).items).toEqual([]);
  });

  it('does not show what is not wholly created', async () => {
    const { id } = await plane.ingestions.createIngestion(anIngestion());
    await plane.sql(
      `UPDATE sluice_control.ingestion SET status = 'provisioning', operation = 'create', operation_id = id,
         operation_expires_at = now() + interval '1 minute' WHERE id = $1`,
      [id],
    );
    expect((await plane.ingestions.listIngestions({ limit: 200 })).items.map((it) => it.id)).not.toContain(id);
    for (const call of [() => plane.ingestions.getIngestion(id), () => plane.ingestions.deleteIngestion(id)]) {
      expect(await refusalOf(call())).toEqual(new IngestionNotFound(id));
    }
  });

  it.each<[object, string]>([
    [{ limit: 0 }, 'limit'],
    [{ limit: 201 }, 'limit'],
    [{ limit: 1.5 }, 'limit'],
    [{ cursor: 'x' }, 'cursor'],
    [{ cursor: Buffer.from('["1","2"]').toString('base64url') }, 'cursor'],
    [{ status: 'provisioning' }, 'status'],
  ])('refuses %j', async (request, path) => {
    expect(await refusalOf(plane.ingestions.listIngestions(request))).toMatchObject({ code: 'VALUE_ERROR', path });
  });
});
