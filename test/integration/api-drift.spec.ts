import { OrchestrationGateway } from '@sluice/orchestration-gateway';
import { expectProblem, startApi, type Api } from '../support/api';
import { until } from '../support/control-plane';

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.close());

const BASE = '/orchestration';
const create = async () => {
  const body = { name: 'trips', source: { type: 'file', path: '/data/in' }, destination: { table: 'trips' } };
  return (await api.call('post', '/ingestions', { ...body, schedule: { frequency: 'manual' } })).body as { id: string };
};

describe('drift', () => {
  it('is shown whole, and mended when it is asked for in so many words', async () => {
    expect((await api.call('get', `${BASE}/drift`)).body).toEqual({ items: [], total: 0, deployments: 0, alarm: null });
    const { id } = await create();
    const [deployment] = api.fake.deployments;
    deployment!.paused = true;
    const items = [
      {
        kind: 'different',
        ingestion_id: id,
        deployment_id: deployment!.id,
        expected: { paused: false },
        found: { paused: true },
        action: 'change',
        message: `The deployment of ingestion ${id} is not as the ingestion says: paused.`,
      },
    ];
    const found = { items, total: 1, deployments: 1, alarm: null };
    expect((await api.call('get', `${BASE}/drift`)).body).toEqual(found);

    const dry = { ...found, dry_run: true, force: false, done: [] };
    for (const [path, body] of [
      ['', undefined],
      ['', {}],
      ['', { dry_run: true }],
      ['', { force: true }],
      ['?dry_run=true', undefined],
      ['?dry_run=true', { dry_run: false }],
      ['?dry_run=false', { dry_run: true }],
    ] as const) {
      const { status, body: answer } = await api.call('post', `${BASE}/reconcile${path}`, body);
      expect({ status, answer }).toEqual({
        status: 200,
        answer: { ...dry, force: body !== undefined && 'force' in body },
      });
    }
    expect(deployment!.paused).toBe(true);

    const { body } = await api.call('post', `${BASE}/reconcile`, { dry_run: false });
    expect(body).toEqual({
      ...{ ...found, dry_run: false, force: false },
      done: [`Changed the deployment of ingestion ${id}: paused`],
    });
    expect(deployment!.paused).toBe(false);
    expect((await api.call('get', `${BASE}/drift`)).body).toMatchObject({ items: [] });
  });

  it('with an alarm says why nothing is removed', async () => {
    const [like] = api.fake.deployments;
    for (let n = 10; n < 18; n += 1) {
      const id = `aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaa${n}`;
      api.fake.deployments.push({ ...structuredClone(like!), id, name: `ingestion-${id}` });
    }
    const { body } = await api.call('post', `${BASE}/reconcile?dry_run=false`);
    expect(body).toMatchObject({
      total: 8,
      alarm: {
        reason: 'many_removals',
        deployments: 8,
        message: expect.stringMatching(
          /^8 of 9 deployments in Prefect have no ingestion with a schedule, more than 5:/,
        ),
        since: expect.stringMatching(/Z$/),
      },
    });
    const actions = (answer: { body: unknown }) =>
      (answer.body as { items: { action: string }[] }).items.map(({ action }) => action);
    expect(actions(await api.call('get', `${BASE}/drift`))).toEqual(Array(8).fill('none'));
    expect(actions(await api.call('post', `${BASE}/reconcile`, { force: true }))).toEqual(Array(8).fill('remove'));
    expect(api.fake.deployments).toHaveLength(9);
    api.fake.deployments.length = 1;
  });

  it.each([
    ['a body that is wrong', { dry_run: 'yes' }, ''],
    ['a query that is wrong', {}, '?dry_run=maybe'],
    ['an unknown field', { dryRun: true }, ''],
  ])('refuses %s', async (_, body, query) => {
    expect((await api.call('post', `${BASE}/reconcile${query}`, body)).status).toBe(400);
  });

  it('cannot be told while Prefect is away: 503', async () => {
    await api.fake.misbehave('down');
    await until(() => !api.app.get(OrchestrationGateway).initialized, 10_000);
    for (const response of [await api.call('get', `${BASE}/drift`), await api.call('post', `${BASE}/reconcile`)])
      expectProblem(
        response,
        {
          ...{ code: 'ORCHESTRATION_UNAVAILABLE', status: 503, title: expect.any(String) as string },
          detail: expect.any(String) as string,
        },
        { reason: expect.any(String) as string },
      );
    await api.fake.behave();
  });
});
