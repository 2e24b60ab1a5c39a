import { randomUUID } from 'node:crypto';
import { Reconciliation, type Drift } from '@sluice/ingestion';
import { anIngestion, DAILY, startControlPlane, until, type ControlPlane } from '../support/control-plane';
import type { FakeDeployment } from '../support/fake-prefect';
import { removeWhere } from '../support/fake-prefect/state';

let plane: ControlPlane;
let reconciliation: Reconciliation;
beforeAll(async () => {
  plane = await startControlPlane({ SLUICE_RECONCILE_SECONDS: '0' });
  reconciliation = plane.get(Reconciliation);
});
beforeEach(async () => {
  await plane.sql('TRUNCATE sluice_control.ingestion, sluice_control.tombstone, sluice_control.orphan CASCADE');
  await plane.sql('DELETE FROM sluice_control.event');
  await plane.sql('UPDATE sluice_control.installation SET alarm = NULL, alarm_since = NULL');
  plane.fake.deployments.length = 0;
  plane.fake.flowRuns.length = 0;
});
afterAll(() => plane.close());

const scheduled = async () => (await plane.ingestions.createIngestion(anIngestion({ schedule: DAILY }))).id;
const nameOf = (id: string) => `ingestion-${id}`;
const deploymentOf = (id: string) => plane.fake.deployments.find((it) => it.name === nameOf(id))!;
const forget = (id: string) => plane.sql('DELETE FROM sluice_control.ingestion WHERE id = $1', [id]);
/** As if the first look had been a while ago. */
const age = () => plane.sql(`UPDATE sluice_control.orphan SET first_seen_at = first_seen_at - interval '1 minute'`);
const installation = async () => (await plane.sql<{ id: string }>('SELECT id FROM sluice_control.installation'))[0]!.id;
const rowOf = async (id: string) => {
  const sql = 'SELECT status, prefect_deployment_id, drift_suspected FROM sluice_control.ingestion WHERE id = $1';
  return (await plane.sql(sql, [id]))[0];
};

/** Both sides, whole. */
const JSON_BODY = { 'content-type': 'application/json' };

async function everything(): Promise<string> {
  // The fake plans runs when somebody looks, which is no change of ours.
  await fetch(`${plane.fake.apiUrl}/flow_runs/filter`, { method: 'POST', body: '{}', headers: JSON_BODY });
  const tables = ['ingestion', 'tombstone', 'orphan', 'installation', 'event', 'run', 'idempotency_key'];
  const rows = await Promise.all(
    tables.map((it) => plane.sql(`SELECT to_jsonb(t) AS row FROM sluice_control.${it} t ORDER BY 1`)),
  );
  return JSON.stringify([rows, plane.fake.deployments, plane.fake.flowRuns, plane.fake.workPools]);
}

const kindsOf = (drifts: readonly Drift[]) => drifts.map(({ kind, action }) => [kind, action]);

interface Case {
  title: string;
  kind: string;
  action: string;
  expected: unknown;
  found: unknown;
  /** Makes the two disagree. */
  begin: (id: string) => unknown;
  /** What is so when they agree again. */
  end: (id: string, before: FakeDeployment) => unknown;
}

const differs = (
  title: string,
  { expected, found }: { expected: object; found: object },
  spoil: (deployment: FakeDeployment) => unknown,
): Case => ({
  ...{ title, kind: 'different', action: 'change', expected, found },
  begin: (id) => spoil(deploymentOf(id)),
  end: (id, before) => expect(timeless(deploymentOf(id))).toEqual(timeless(before)),
});
const timeless = ({ updated: _, schedules, ...rest }: FakeDeployment) => ({
  ...rest,
  schedules: schedules.map((it) => ({ ...it, updated: '' })),
});

const CASES: Case[] = [
  differs(
    'another timetable',
    {
      expected: { timetable: { cron: '0 6 * * *', timezone: 'UTC' } },
      found: { timetable: { cron: '5 * * * *', timezone: 'UTC' } },
    },
    ({ schedules }) => (schedules[0]!.schedule.cron = '5 * * * *'),
  ),
  differs(
    'another zone',
    {
      expected: { timetable: { cron: '0 6 * * *', timezone: 'UTC' } },
      found: { timetable: { cron: '0 6 * * *', timezone: 'Asia/Tokyo' } },
    },
    ({ schedules }) => (schedules[0]!.schedule.timezone = 'Asia/Tokyo'),
  ),
  differs(
    'a schedule switched off',
    { expected: { timetable: { cron: '0 6 * * *', timezone: 'UTC' } }, found: { timetable: null } },
    ({ schedules }) => (schedules[0]!.active = false),
  ),
  differs('paused by hand', { expected: { paused: false }, found: { paused: true } }, (it) => (it.paused = true)),
  differs(
    'another work pool',
    { expected: { work_pool: 'sluice' }, found: { work_pool: 'theirs' } },
    (it) => (it.work_pool_name = 'theirs'),
  ),
  differs(
    'parameters of another',
    { expected: { ingestion_id: expect.any(String) }, found: { ingestion_id: 'x' } },
    (it) => (it.parameters = { ingestion_id: 'x' }),
  ),
  differs(
    'a schedule added by hand',
    { expected: { other_schedules: [] }, found: { other_schedules: ['1 1 * * *'] } },
    ({ schedules, id }) =>
      schedules.push({
        ...{ id: randomUUID(), deployment_id: id, slug: null, active: true, parameters: {}, updated: '' },
        schedule: { cron: '1 1 * * *', timezone: 'UTC', day_or: true },
      }),
  ),
  {
    ...{ title: 'tags taken away', kind: 'different', action: 'change' },
    ...{ expected: { tags: expect.any(Array) }, found: { tags: ['theirs'] } },
    begin: (id) => (deploymentOf(id).tags = ['theirs']),
    end: (id, before) => expect(deploymentOf(id).tags).toEqual(['theirs', ...before.tags]),
  },
  {
    ...{ title: 'a missing deployment', kind: 'missing', action: 'create', found: null },
    expected: { timetable: { cron: '0 6 * * *', timezone: 'UTC' }, paused: false },
    begin: (id) => removeWhere(plane.fake.deployments, (it) => it.name === nameOf(id)),
    end: async (id, before) => {
      expect(deploymentOf(id)).toMatchObject({ tags: before.tags, parameters: before.parameters, paused: false });
      expect(await rowOf(id)).toMatchObject({ prefect_deployment_id: deploymentOf(id).id });
    },
  },
  {
    ...{ title: 'a deployment made again', kind: 'another_deployment', action: 'record' },
    ...{ expected: { deployment_id: expect.any(String) }, found: { deployment_id: expect.any(String) } },
    begin: (id) => (deploymentOf(id).id = randomUUID()),
    end: async (id) => expect(await rowOf(id)).toMatchObject({ prefect_deployment_id: deploymentOf(id).id }),
  },
  {
    ...{ title: 'a deployment without a schedule in its row', kind: 'unscheduled', action: 'remove', expected: null },
    found: { timetable: { cron: '0 6 * * *', timezone: 'UTC' }, paused: false },
    begin: (id) =>
      plane.sql(
        `UPDATE sluice_control.ingestion SET schedule = NULL, prefect_deployment_id = NULL, status = 'draft' WHERE id = $1`,
        [id],
      ),
    end: (id) => expect(deploymentOf(id)).toBeUndefined(),
  },
  {
    ...{ title: 'a deployment without a row', kind: 'orphan', action: 'remove', expected: null },
    found: { timetable: { cron: '0 6 * * *', timezone: 'UTC' }, paused: false },
    begin: forget,
    end: (id) => expect(deploymentOf(id)).toBeUndefined(),
  },
  {
    ...{ title: 'a creation whose process died', kind: 'unfinished_creation', action: 'remove' },
    ...{ expected: null, found: { operation: 'create' } },
    begin: (id) =>
      plane.sql(
        `UPDATE sluice_control.ingestion SET status = 'provisioning', operation = 'create', operation_id = $2, operation_expires_at = now() - interval '1 s' WHERE id = $1`,
        [id, randomUUID()],
      ),
    end: async (id) => {
      expect(deploymentOf(id)).toBeUndefined();
      expect(await rowOf(id)).toBeUndefined();
    },
  },
  {
    ...{ title: 'a tombstone', kind: 'tombstone', action: 'remove' },
    ...{ expected: null, found: { attempts: 0, last_error: null } },
    begin: async (id) => {
      await forget(id);
      await plane.sql('INSERT INTO sluice_control.tombstone (ingestion_id) VALUES ($1)', [id]);
    },
    end: (id) => expect(deploymentOf(id)).toBeUndefined(),
  },
];

describe.each(CASES)('$title', ({ kind, action, expected, found, begin, end }) => {
  it('is shown, a dry run changes nothing, and a pass mends it and nothing else', async () => {
    const [id, other] = [await scheduled(), await scheduled()];
    const before = structuredClone(deploymentOf(id));
    const others = JSON.stringify(deploymentOf(other));
    await begin(id);

    const untouched = await everything();
    const dry = await reconciliation.reconcile({ dryRun: true, force: false });
    expect(dry).toMatchObject({ total: 1, alarm: null, done: [] });
    expect(dry.drifts).toEqual([
      {
        kind,
        action,
        ingestionId: id,
        expected,
        found,
        deploymentId: dry.drifts[0]!.deploymentId,
        message: expect.stringContaining(id),
      },
    ]);
    expect(await everything()).toBe(untouched);

    await reconciliation.reconcile({ dryRun: false, force: false });
    await age();
    const last = await reconciliation.reconcile({ dryRun: false, force: false });
    await end(id, before);
    expect(last.alarm).toBeNull();
    expect((await reconciliation.look()).drifts).toEqual([]);
    expect(JSON.stringify(deploymentOf(other))).toBe(others);
  });

  it('is mended by the passes of the leader too', async () => {
    const [id] = [await scheduled(), await scheduled()];
    const before = structuredClone(deploymentOf(id));
    await begin(id);
    await plane.reconciler.runOnce();
    await age();
    await plane.reconciler.runOnce();
    await end(id, before);
  });
});

describe('what agrees', () => {
  it('is asked for, and nothing is written to Prefect, however often', async () => {
    await Promise.all([scheduled(), scheduled(), scheduled()]);
    deploymentOf((await plane.ingestions.listIngestions()).items[0]!.id).description = 'a stale title';
    plane.fake.requests.length = 0;
    for (let pass = 0; pass < 3; pass += 1) expect(await plane.reconciler.runOnce()).toEqual([]);
    const writes = plane.fake.requests.filter(({ method, path }) => method !== 'GET' && !/\/filter$/.test(path));
    expect(writes).toEqual([]);
  });

  it('includes ingestions with an operation under way', async () => {
    const id = await scheduled();
    deploymentOf(id).paused = true;
    await plane.sql(
      `UPDATE sluice_control.ingestion SET operation = 'pause', operation_id = $2, operation_expires_at = now() + interval '1 minute' WHERE id = $1`,
      [id, randomUUID()],
    );
    expect((await reconciliation.look()).drifts).toEqual([]);
  });

  it('is compared over many pages of both sides', async () => {
    const owner = await installation();
    await scheduled();
    const [like] = plane.fake.deployments;
    await plane.sql(
      `INSERT INTO sluice_control.ingestion (id, name, status, source, format, destination, schedule, schema, on_schema_change, changed_files, quality, prefect_deployment_id)
       SELECT gen_random_uuid(), 'many ' || n, 'active', i.source, i.format, i.destination, i.schedule, i.schema, i.on_schema_change, i.changed_files, i.quality, gen_random_uuid()
       FROM sluice_control.ingestion i, generate_series(1, 650) AS n`,
    );
    const rows = await plane.sql<{ id: string; deployment: string }>(
      `SELECT id, prefect_deployment_id AS deployment FROM sluice_control.ingestion WHERE name LIKE 'many %'`,
    );
    for (const { id, deployment } of rows)
      plane.fake.deployments.push({
        ...structuredClone(like!),
        id: deployment,
        name: nameOf(id),
        parameters: { ingestion_id: id },
      });
    expect(like!.tags).toContain(`sluice:${owner}`);
    const spoiled = [rows[3]!.id, rows[333]!.id, rows[649]!.id].sort();
    for (const id of spoiled) deploymentOf(id).paused = true;
    const { drifts, deployments } = await reconciliation.look();
    expect(drifts.map(({ ingestionId }) => ingestionId).sort()).toEqual(spoiled);
    expect(deployments).toBe(651);
  });
});

describe('an orphan', () => {
  it('is removed with its active runs, but only when it is seen again some time later', async () => {
    const [id] = [await scheduled(), await scheduled()];
    await plane.ingestions.triggerManualRun(id);
    const before = structuredClone(deploymentOf(id));
    await forget(id);
    expect(await plane.reconciler.runOnce()).toEqual([`Found a deployment without an ingestion, ingestion-${id}`]);
    expect(await plane.reconciler.runOnce()).toEqual([]);
    expect(deploymentOf(id)).toEqual(before);
    await age();
    expect(await plane.reconciler.runOnce()).toEqual([`Removed deployment ingestion-${id}, which had no ingestion`]);
    expect(deploymentOf(id)).toBeUndefined();
  });

  it('is left alone when its ingestion has come back meanwhile', async () => {
    const [id] = [await scheduled(), await scheduled()];
    const sql = 'SELECT to_jsonb(i) AS row FROM sluice_control.ingestion i WHERE id = $1';
    const [row] = await plane.sql<{ row: object }>(sql, [id]);
    const before = structuredClone(deploymentOf(id));
    await forget(id);
    await plane.reconciler.runOnce();
    await plane.sql(
      'INSERT INTO sluice_control.ingestion SELECT * FROM jsonb_populate_record(NULL::sluice_control.ingestion, $1)',
      [JSON.stringify(row!.row)],
    );
    await age();
    expect(await plane.reconciler.runOnce()).toEqual([]);
    expect(deploymentOf(id)).toEqual(before);
    expect(await plane.sql('SELECT 1 FROM sluice_control.orphan')).toEqual([]);
  });

  it('goes a few at a time', async () => {
    const ids = await Promise.all(Array.from({ length: 40 }, scheduled));
    for (const id of ids.slice(0, 7)) await forget(id);
    await plane.reconciler.runOnce();
    await age();
    expect(await plane.reconciler.runOnce()).toHaveLength(5);
    expect(await plane.reconciler.runOnce()).toHaveLength(2);
    expect(plane.fake.deployments).toHaveLength(33);
  });
});

describe('what became of a suspicion', () => {
  it.each<[string, (id: string) => unknown, (id: string) => string]>([
    ['nothing', () => undefined, (id) => `Compared the deployment of ingestion ${id}: it was as the ingestion says`],
    ['a change', (id) => (deploymentOf(id).paused = true), (id) => `Changed the deployment of ingestion ${id}: paused`],
    [
      'a new id',
      (id) => (deploymentOf(id).id = randomUUID()),
      (id) => `Recorded the new id of the deployment of ingestion ${id}`,
    ],
    [
      'a new deployment',
      (id) => removeWhere(plane.fake.deployments, (it) => it.name === nameOf(id)),
      (id) => `Made the deployment of ingestion ${id} again`,
    ],
  ])('is said: %s', async (_, spoil, sentence) => {
    const id = await scheduled();
    spoil(id);
    await plane.sql('UPDATE sluice_control.ingestion SET drift_suspected = true');
    expect(await plane.reconciler.runOnce()).toEqual([sentence(id)]);
  });
});

describe('what is not ours', () => {
  it('is untouched byte for byte, whatever its name and tags', async () => {
    const id = await scheduled();
    const like = structuredClone(deploymentOf(id));
    const owner = await installation();
    const other = `sluice:${randomUUID()}`;
    const flow = { id: randomUUID(), name: 'their-flow' };
    plane.fake.flows.push(flow);
    const foreign: Partial<FakeDeployment>[] = [
      { name: 'nightly', tags: [] },
      { name: 'nightly-sluice', tags: ['sluice', `sluice:${owner}`] },
      { name: `ingestion-${'-'.repeat(36)}`, tags: ['sluice', `sluice:${owner}`] },
      { name: nameOf(randomUUID()), tags: ['sluice', other] },
      { name: nameOf(randomUUID()), tags: ['sluice'] },
      { name: nameOf(randomUUID()), tags: [] },
      { name: nameOf(randomUUID()), tags: ['sluice', `sluice:${owner}`], flow_id: flow.id },
    ];
    plane.fake.deployments.push(...foreign.map((it) => ({ ...structuredClone(like), id: randomUUID(), ...it })));
    const before = JSON.stringify(plane.fake.deployments);
    for (let pass = 0; pass < 3; pass += 1) {
      await plane.reconciler.runOnce();
      await reconciliation.reconcile({ dryRun: false, force: true });
      await age();
    }
    expect(JSON.stringify(plane.fake.deployments)).toBe(before);
    expect((await reconciliation.look()).drifts).toEqual([]);
  });

  it('stays another installation’s even under the name of an ingestion of ours', async () => {
    const id = await scheduled();
    deploymentOf(id).tags = ['sluice', `sluice:${randomUUID()}`];
    deploymentOf(id).paused = true;
    const before = JSON.stringify(plane.fake.deployments);
    await plane.sql('UPDATE sluice_control.ingestion SET drift_suspected = true');
    await plane.reconciler.runOnce();
    expect(JSON.stringify(plane.fake.deployments)).toBe(before);
    expect(kindsOf((await reconciliation.look()).drifts)).toEqual([['other_installation', 'none']]);
  });

  it('is not run by a trigger of ours, nor by catching up: its flow run is cancelled, and the run has failed', async () => {
    const id = await scheduled();
    deploymentOf(id).tags = ['sluice', `sluice:${randomUUID()}`];
    await expect(plane.ingestions.triggerManualRun(id)).rejects.toMatchObject({ code: 'CONFLICT' });
    await plane.sql(`UPDATE sluice_control.ingestion SET ticks_seen_until = now() - interval '3 days' WHERE id = $1`, [
      id,
    ]);
    removeWhere(plane.fake.flowRuns, (it) => it.auto_scheduled);
    await plane.reconciler.runOnce();
    await plane.reconciler.runOnce();
    const flowRuns = plane.fake.flowRuns.filter((it) => it.deployment_id === deploymentOf(id).id && !it.auto_scheduled);
    expect(flowRuns).toMatchObject([{ state_type: 'CANCELLED' }, { state_type: 'CANCELLED' }]);
    expect((await plane.runs.listRuns(id)).items).toMatchObject([
      { status: 'failed', trigger: 'scheduled' },
      {
        status: 'failed',
        trigger: 'manual',
        errors: [{ message: expect.stringContaining('another Sluice') as string }],
      },
    ]);
    expect((await plane.ingestions.getIngestion(id)).counters.missed).toBeGreaterThan(0);
  });

  it('is ours when it has no mark, but an ingestion', async () => {
    const id = await scheduled();
    const tags = deploymentOf(id).tags;
    deploymentOf(id).tags = ['sluice'];
    await plane.reconciler.runOnce();
    expect(deploymentOf(id).tags).toEqual(tags);
  });
});

describe('a schedule of an older system', () => {
  it('is shown and left to the backfill, and one that cannot be read to a person', async () => {
    const [id, broken] = [await scheduled(), await scheduled()];
    removeWhere(plane.fake.deployments, (it) => it.name === nameOf(id));
    await plane.sql('UPDATE sluice_control.ingestion SET prefect_deployment_id = NULL WHERE id = $1', [id]);
    await plane.sql(
      `UPDATE sluice_control.ingestion SET schedule = schedule || '{"frequency": "custom", "cron_expression": "@reboot"}' WHERE id = $1`,
      [broken],
    );
    const before = await everything();
    await plane.reconciler.runOnce();
    expect(await everything()).toBe(before);
    const { drifts } = await reconciliation.look();
    expect(kindsOf(drifts).sort()).toEqual([
      ['not_deployed', 'backfill'],
      ['unreadable', 'none'],
    ]);
  });
});

describe('a thousand ingestions that nobody mends', () => {
  it('hide nothing of what can be mended', async () => {
    const id = await scheduled();
    await plane.sql(
      `INSERT INTO sluice_control.ingestion (id, name, status, source, format, destination, schedule, schema, on_schema_change, changed_files, quality)
       SELECT overlay(gen_random_uuid()::text PLACING '00' FROM 1)::uuid, 'many ' || n, 'active', i.source, i.format, i.destination, i.schedule, i.schema, i.on_schema_change, i.changed_files, i.quality
       FROM sluice_control.ingestion i, generate_series(1, 1100) AS n`,
    );
    const lost = await scheduled();
    await forget(lost);
    deploymentOf(id).paused = true;
    const { drifts, total } = await reconciliation.look();
    expect([drifts.length, total]).toEqual([1_002, 1_102]);
    await plane.reconciler.runOnce();
    await age();
    await plane.reconciler.runOnce();
    expect([deploymentOf(id).paused, deploymentOf(lost)]).toEqual([false, undefined]);
  });
});

describe('a control database that lost its rows', () => {
  const alarms = () =>
    plane.sql<{ message: string; facts: object }>(
      `SELECT message, facts FROM sluice_control.event WHERE kind = 'drift_alarm'`,
    );

  async function fiftyLost(): Promise<string> {
    await Promise.all(Array.from({ length: 50 }, scheduled));
    await plane.sql('TRUNCATE sluice_control.ingestion CASCADE');
    return JSON.stringify(plane.fake.deployments);
  }

  it('empties nothing: the 50 deployments stay, and the alarm is told once', async () => {
    const before = await fiftyLost();
    for (let pass = 0; pass < 4; pass += 1) {
      await plane.reconciler.runOnce();
      await age();
    }
    await reconciliation.reconcile({ dryRun: false, force: false });
    expect(JSON.stringify(plane.fake.deployments)).toBe(before);
    expect(await alarms()).toEqual([
      {
        message: expect.stringMatching(/^50 of 50 deployments in Prefect have no ingestion .* nothing is removed\./),
        facts: { reason: 'many_removals', deployments: 50 },
      },
    ]);
    const { alarm, total } = await reconciliation.look();
    expect([alarm?.reason, alarm?.since, total]).toEqual(['many_removals', expect.any(Date), 50]);
  });

  it.each([1, 3])('empties nothing when there were only %i either', async (count) => {
    await Promise.all(Array.from({ length: count }, scheduled));
    await plane.sql('TRUNCATE sluice_control.ingestion CASCADE');
    for (let pass = 0; pass < 3; pass += 1) {
      await plane.reconciler.runOnce();
      await age();
    }
    expect(plane.fake.deployments).toHaveLength(count);
    expect((await reconciliation.look()).alarm).toMatchObject({ reason: 'many_removals', deployments: count });
  });

  it('keeps its deployments while new ingestions are made beside them, and until a person has spoken', async () => {
    const lost = [await scheduled(), await scheduled()];
    await plane.sql('TRUNCATE sluice_control.ingestion CASCADE');
    await plane.reconciler.runOnce();
    await scheduled();
    await age();
    for (let pass = 0; pass < 2; pass += 1) await plane.reconciler.runOnce();
    expect(lost.map(deploymentOf)).not.toContain(undefined);
    await reconciliation.reconcile({ dryRun: false, force: true });
    expect(plane.fake.deployments).toHaveLength(1);
  });

  it('raises no alarm when the last ingestions were deleted by somebody while Prefect was away', async () => {
    const ids = [await scheduled(), await scheduled()];
    await plane.sql('INSERT INTO sluice_control.tombstone (ingestion_id) SELECT unnest($1::uuid[])', [ids]);
    await plane.sql('TRUNCATE sluice_control.ingestion CASCADE');
    expect((await reconciliation.reconcile({ dryRun: false, force: false })).alarm).toBeNull();
    expect(plane.fake.deployments).toEqual([]);
  });

  it('is believed when a person says so, a few removals at a time', async () => {
    await fiftyLost();
    await plane.reconciler.runOnce();
    await reconciliation.reconcile({ dryRun: false, force: true });
    await age();
    for (let left = 45; left >= 0; left -= 5) {
      await plane.reconciler.runOnce();
      expect(plane.fake.deployments).toHaveLength(left);
    }
    expect((await reconciliation.look()).alarm).toBeNull();
  });

  it('and has its alarm lowered, and raised again another time', async () => {
    const ids = await Promise.all(Array.from({ length: 8 }, scheduled));
    const rows = await plane.sql<{ row: object }>('SELECT to_jsonb(i) AS row FROM sluice_control.ingestion i');
    await plane.sql('TRUNCATE sluice_control.ingestion CASCADE');
    await plane.reconciler.runOnce();
    expect(await alarms()).toHaveLength(1);
    for (const { row } of rows)
      await plane.sql(
        'INSERT INTO sluice_control.ingestion SELECT * FROM jsonb_populate_record(NULL::sluice_control.ingestion, $1)',
        [JSON.stringify(row)],
      );
    await plane.reconciler.runOnce();
    expect((await reconciliation.look()).alarm).toBeNull();
    await plane.sql('TRUNCATE sluice_control.ingestion CASCADE');
    await plane.reconciler.runOnce();
    expect(await alarms()).toHaveLength(2);
    expect(plane.fake.deployments).toHaveLength(ids.length);
  });

  it('and its id too empties nothing, and says that the others are strangers now', async () => {
    const before = await fiftyLost();
    await plane.sql('DELETE FROM sluice_control.installation');
    for (let pass = 0; pass < 3; pass += 1) {
      await plane.reconciler.runOnce();
      await reconciliation.reconcile({ dryRun: false, force: true });
      await age();
    }
    expect(JSON.stringify(plane.fake.deployments)).toBe(before);
    expect((await reconciliation.look()).alarm).toMatchObject({ reason: 'empty_database', deployments: 50 });
    await plane.reconciler.runOnce();
    expect((await alarms()).map(({ facts }) => facts)).toEqual([{ reason: 'empty_database', deployments: 50 }]);
  });
});

describe('while Prefect cannot be used', () => {
  it('nothing is compared, and asking is an error', async () => {
    await scheduled();
    await plane.fake.misbehave('http_500');
    await until(() => !plane.gateway.initialized);
    expect(await plane.reconciler.runOnce()).toEqual([]);
    await expect(reconciliation.look()).rejects.toMatchObject({ code: 'ORCHESTRATION_UNAVAILABLE' });
    await plane.fake.behave();
    await until(() => plane.gateway.initialized);
  });

  it('and in the middle of a comparison nothing is concluded from what was not seen', async () => {
    const ids = await Promise.all([scheduled(), scheduled()]);
    await forget(ids[0]!);
    const before = await everything();
    await plane.fake.misbehave('cut_json', { route: /deployments\/filter/ });
    await expect(reconciliation.reconcile({ dryRun: false, force: true })).rejects.toMatchObject({
      reason: 'protocol',
    });
    await plane.fake.behave();
    expect(await everything()).toBe(before);
  });
});

describe('rows whose time is over', () => {
  it('are forgotten: expired idempotency keys, and events of more than 30 days ago', async () => {
    await plane.sql(
      `INSERT INTO sluice_control.idempotency_key (operation, key, digest, resource_id, expires_at)
       VALUES ('create', 'old', '', gen_random_uuid(), now() - interval '1 second'),
         ('create', 'young', '', gen_random_uuid(), now() + interval '1 hour')`,
    );
    await plane.sql(
      `INSERT INTO sluice_control.event (id, kind, message, created_at, delivered_at)
       SELECT gen_random_uuid(), 'k', message, now() - age, CASE WHEN delivered THEN now() END
       FROM (VALUES ('old', interval '31 days', true), ('old, undelivered', interval '31 days', false),
         ('young', interval '29 days', true), ('young, undelivered', interval '29 days', false)) AS v (message, age, delivered)`,
    );
    expect(await plane.reconciler.runOnce()).toEqual([
      'Forgot 1 expired idempotency key',
      'Forgot 2 events of more than 30 days ago',
    ]);
    expect(await plane.sql('SELECT key FROM sluice_control.idempotency_key')).toEqual([{ key: 'young' }]);
    expect(await plane.sql(`SELECT message FROM sluice_control.event WHERE kind = 'k' ORDER BY message`)).toEqual([
      { message: 'young' },
      { message: 'young, undelivered' },
    ]);
  });
});
