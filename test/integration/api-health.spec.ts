import { OrchestrationGateway } from '@sluice/orchestration-gateway';
import { expectProblem, startApi, type Api } from '../support/api';
import { until } from '../support/control-plane';

const UP = { database: { status: 'up' }, migrations: { status: 'up' } };
const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/) as string;
const TIMES = { since: TIME, last_probe_at: TIME, last_success_at: TIME };
const PREFECT = { prefect: { status: 'up', initialized: true, reason: null, ...TIMES } };

describe('the probes', () => {
  let api: Api;
  beforeAll(async () => {
    api = await startApi();
  });
  afterAll(() => api.close());

  it('answer in whole while all is well', async () => {
    expect((await api.call('get', '//livez')).body).toEqual({ status: 'ok' });
    expect((await api.call('get', '//readyz')).body).toEqual({ status: 'ok', info: UP, error: {}, details: UP });
    const all = { ...UP, ...PREFECT };
    expect((await api.call('get', '//healthz')).body).toEqual({ status: 'ok', info: all, error: {}, details: all });
  });

  it('show Prefect as down beside a status that stays ok', async () => {
    await api.fake.misbehave('down');
    await until(() => !api.app.get(OrchestrationGateway).initialized);
    const prefect = { status: 'down', initialized: false, reason: 'refused', ...TIMES };
    expect((await api.call('get', '//healthz')).body).toEqual({
      status: 'ok',
      info: UP,
      error: { prefect },
      details: { ...UP, prefect },
    });
    await api.fake.behave();
    await until(() => api.app.get(OrchestrationGateway).initialized);
  });

  it('are not ready while a migration is missing', async () => {
    const [last] = await api.sql<{ name: string }>(
      'DELETE FROM sluice_control.migration WHERE id = (SELECT max(id) FROM sluice_control.migration) RETURNING name',
    );
    const response = await api.call('get', '//readyz');
    const migrations = { status: 'down', pending: [last!.name] };
    expectProblem(
      response,
      {
        code: 'NOT_READY',
        status: 503,
        title: 'Not ready',
        detail: 'Not usable now: migrations. The log of the API tells why.',
      },
      { info: { database: UP.database }, error: { migrations }, details: { database: UP.database, migrations } },
    );
    expect((await api.call('get', '//livez')).status).toBe(200);
  });
});

describe('without its database', () => {
  it('the process lives, is not ready, and /healthz answers 503 with the details', async () => {
    const api = await startApi();
    await api.dropDatabase();
    const [live, ready, health] = [
      await api.call('get', '//livez'),
      await api.call('get', '//readyz'),
      await api.call('get', '//healthz'),
    ];
    await api.close();
    expect([live.status, ready.status, health.status]).toEqual([200, 503, 503]);
    expect(ready.body.detail).toBe('Not usable now: database, migrations. The log of the API tells why.');
    expect(health.body.details).toMatchObject({
      database: { status: 'down' },
      migrations: { status: 'down', message: 'cannot be read' },
      ...PREFECT,
    });
    expect(health.text).not.toContain('postgresql://');
  });
});

describe('GET /health/orchestration', () => {
  let api: Api;
  beforeAll(async () => {
    api = await startApi();
  });
  afterAll(() => api.close());
  const check = () => api.call('get', '//health/orchestration');
  const unhealthy = (detail: string) => ({
    ...{ code: 'ORCHESTRATION_UNHEALTHY', status: 503, title: 'Orchestration is not healthy' },
    detail,
  });
  const facts = { ...TIMES, prefect_version: '3.8.8' };

  it('is red without a worker and green with one', async () => {
    expectProblem(await check(), unhealthy('No worker is online: runs wait. Start one for the work pool.'), {
      ...facts,
      ...{ initialized: true, reason: null, scheduler: expect.any(String), workers_online: 0 },
    });
    api.fake.workers.push({ name: 'one', status: 'ONLINE' });
    await until(async () => (await check()).status === 200);
    expect((await check()).body).toMatchObject({ ...facts, initialized: true, workers_online: 1 });
  });

  it('is red while Prefect is down', async () => {
    await api.fake.misbehave('down');
    await until(() => !api.app.get(OrchestrationGateway).initialized);
    expectProblem(await check(), unhealthy('Prefect cannot be used (refused).'), {
      ...facts,
      ...{ initialized: false, reason: 'refused', scheduler: 'unknown', workers_online: 0 },
    });
    await api.fake.behave();
  });

  it.each(['dead', 'alive', 'unknown'] as const)('asks whether the scheduler lives: %s', async (scheduler) => {
    const gateway = api.app.get(OrchestrationGateway);
    const status = { ...gateway.status(), initialized: true, reason: null, scheduler, workersOnline: 1 };
    const spy = jest.spyOn(gateway, 'status').mockReturnValue(status);
    const response = await check();
    spy.mockRestore();
    expect(response.status).toBe(scheduler === 'dead' ? 503 : 200);
    expect(response.body.scheduler).toBe(scheduler);
  });
});
