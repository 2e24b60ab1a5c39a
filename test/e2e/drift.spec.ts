import { randomUUID } from 'node:crypto';
import { Reconciliation } from '@sluice/ingestion';
import { anIngestion, startControlPlane, until, type ControlPlane } from '../support/control-plane';
import { describeWithPrefect, realPrefect } from '../support/prefect';

interface Deployment {
  id: string;
  name: string;
  updated: string;
  tags: string[];
  paused: boolean;
  schedules: { slug: string; schedule: { cron: string } }[];
}

describeWithPrefect('drift, with the real Prefect,', () => {
  const pool = `drift-${randomUUID()}`;
  const theirs = `ingestion-${randomUUID()}`;
  let plane: ControlPlane;
  let reconciliation: Reconciliation;
  let apiUrl: string;

  beforeAll(async () => {
    ({ apiUrl } = await realPrefect());
    plane = await startControlPlane({
      PREFECT_API_URL: apiUrl,
      PREFECT_WORK_POOL: pool,
      SLUICE_RECONCILE_SECONDS: '0',
    });
    reconciliation = plane.get(Reconciliation);
  }, 120_000);
  afterAll(async () => {
    await plane.sql('TRUNCATE sluice_control.ingestion CASCADE');
    await reconciliation.reconcile({ dryRun: false, force: true });
    await settle();
    const foreign = await byName(theirs);
    if (foreign) await prefect('DELETE', `/deployments/${foreign.id}`);
    await prefect('DELETE', `/work_pools/${pool}`);
    await plane.close();
  }, 60_000);

  async function prefect<T>(method: string, path: string, body?: unknown): Promise<T | null> {
    const answer = await fetch(apiUrl + path, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (answer.status === 404) return null;
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text === '' ? null : (JSON.parse(text) as T);
  }

  const byName = (name: string) => prefect<Deployment>('GET', `/deployments/name/run-ingestion/${name}`);
  const deploymentOf = (id: string) => byName(`ingestion-${id}`);
  const scheduled = async () =>
    (await plane.ingestions.createIngestion(anIngestion({ schedule: { frequency: 'daily', time: '06:00' } }))).id;
  /** Passes until they have nothing more to do. */
  async function settle(): Promise<string[]> {
    const done: string[] = [];
    for (let idle = 0; idle < 2;) {
      await plane.sql(`UPDATE sluice_control.orphan SET first_seen_at = first_seen_at - interval '1 minute'`);
      const some = await plane.reconciler.runOnce();
      idle = some.length === 0 ? idle + 1 : 0;
      done.push(...some);
    }
    return done;
  }

  it('nothing is written where nothing differs: planned runs stay', async () => {
    const id = await scheduled();
    const { id: deploymentId, updated } = (await deploymentOf(id))!;
    const planned = () =>
      prefect<{ id: string }[]>('POST', '/flow_runs/filter', {
        flow_runs: { deployment_id: { any_: [deploymentId] }, state: { type: { any_: ['SCHEDULED'] } } },
      });
    await until(async () => ((await planned()) ?? []).length >= 3, 30_000);
    const before = ((await planned()) ?? []).map((it) => it.id).sort();
    expect(await settle()).toEqual([]);
    expect((await deploymentOf(id))?.updated).toBe(updated);
    expect(((await planned()) ?? []).map((it) => it.id).sort()).toEqual(before);
  }, 60_000);

  it('each difference is seen and mended, and those of others stay as they are, byte for byte', async () => {
    const [changed, paused, tagless, missing, orphan] = await Promise.all([
      ...[scheduled(), scheduled(), scheduled(), scheduled(), scheduled()],
    ] as const);
    const flow = await prefect<{ id: string }>('POST', '/flows/', { name: 'run-ingestion' });
    await prefect('POST', '/deployments/', {
      ...{ name: theirs, flow_id: flow!.id, work_pool_name: pool },
      tags: ['sluice', `sluice:${randomUUID()}`],
    });
    const foreign = JSON.stringify(await byName(theirs));
    const [one, two, three, four] = await Promise.all([changed, paused, tagless, missing].map(deploymentOf));
    await prefect('PATCH', `/deployments/${one!.id}`, {
      schedules: [{ slug: 'main', active: true, schedule: { cron: '5 * * * *', timezone: 'UTC' } }],
    });
    await prefect('POST', `/deployments/${two!.id}/pause_deployment`);
    await prefect('PATCH', `/deployments/${three!.id}`, { tags: [] });
    await prefect('DELETE', `/deployments/${four!.id}`);
    await plane.sql('DELETE FROM sluice_control.ingestion WHERE id = $1', [orphan]);

    const { drifts, alarm } = await reconciliation.look();
    expect(alarm).toBeNull();
    expect(new Map(drifts.map((it) => [it.ingestionId, it.kind]))).toEqual(
      new Map([
        [changed, 'different'],
        [paused, 'different'],
        [tagless, 'different'],
        [missing, 'missing'],
        [orphan, 'orphan'],
      ]),
    );
    await settle();
    expect((await reconciliation.look()).drifts).toEqual([]);
    expect((await deploymentOf(changed))?.schedules).toMatchObject([{ slug: 'main', schedule: { cron: '0 6 * * *' } }]);
    expect((await deploymentOf(paused))?.paused).toBe(false);
    expect((await deploymentOf(tagless))?.tags).toEqual(two!.tags);
    expect(await deploymentOf(missing)).toMatchObject({ paused: false, tags: two!.tags });
    expect(await deploymentOf(orphan)).toBeNull();
    expect(JSON.stringify(await byName(theirs))).toBe(foreign);
  }, 90_000);

  it('a control database that lost its rows empties nothing', async () => {
    await Promise.all(Array.from({ length: 6 }, scheduled));
    const held = async () => {
      const found = [];
      for await (const page of plane.gateway.deploymentPages()) found.push(...page.map(({ name }) => name));
      return found.sort();
    };
    const before = await held();
    expect(before.length).toBeGreaterThan(9);
    await plane.sql('TRUNCATE sluice_control.ingestion CASCADE');
    await settle();
    expect(await held()).toEqual(before);
    expect((await reconciliation.look()).alarm).toMatchObject({ reason: 'many_removals', deployments: before.length });
  }, 90_000);
});
