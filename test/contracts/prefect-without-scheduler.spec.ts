import { Logger } from '@nestjs/common';
import { Secret, SystemClock } from '@sluice/kernel';
import { PROBE_EVERY_MS } from '../../libs/orchestration-gateway/src/api/watch';
import { createClient } from '../../libs/orchestration-gateway/src/create-gateway';
import type { PrefectClient } from '../../libs/orchestration-gateway/src/prefect/client';
import * as routes from '../../libs/orchestration-gateway/src/prefect/routes';
import * as wire from '../../libs/orchestration-gateway/src/prefect/wire';
import { startApi, type Api } from '../support/api';
import { until } from '../support/control-plane';
import { OwnPrefect } from '../support/own-prefect';
import { describeWithPrefect } from '../support/prefect';

const AUTH = 'admin:pass';
const CLIENT = 'a-client-of-the-test';
const RED_MS = 60_000;
const DAILY = { frequency: 'daily', time: '06:00' };

/** A real server with Basic authentication and CSRF protection, whose background services run apart from it. */
describeWithPrefect('a real Prefect whose scheduler dies', () => {
  let prefect: OwnPrefect;
  let client: PrefectClient;
  let api: Api;
  let made = 0;

  beforeAll(async () => {
    Logger.overrideLogger(false);
    prefect = await OwnPrefect.start({
      PREFECT_SERVER_API_AUTH_STRING: AUTH,
      PREFECT_SERVER_CSRF_PROTECTION_ENABLED: 'true',
    });
    await prefect.startServices();
    client = clientWith(AUTH);
    const env = { PREFECT_API_URL: prefect.apiUrl, PREFECT_API_AUTH_STRING: AUTH };
    // As often as in earnest: what is measured here is what an operator sees.
    api = await startApi(env, { probeEveryMs: PROBE_EVERY_MS });
    await beatAsWorker();
  }, 240_000);

  afterAll(async () => {
    await api.close();
    client.close();
    await prefect.stop();
  }, 60_000);

  const clientWith = (auth: string) =>
    createClient({ PREFECT_API_URL: prefect.apiUrl, PREFECT_API_AUTH_STRING: new Secret(auth) }, new SystemClock());

  /** So that nothing but the scheduler can turn the health red. */
  const beatAsWorker = () =>
    client.send({
      method: 'POST',
      path: '/work_pools/sluice/workers/heartbeat',
      body: { name: 'a worker', heartbeat_interval_seconds: 3_600 },
      answer: wire.done,
    });

  const create = async (schedule: object = DAILY) => {
    const body = { name: `trips ${(made += 1)}`, source: { type: 'file', path: '/data/in' }, schedule };
    return api.call('post', '/ingestions', { ...body, destination: { table: 'trips' } });
  };
  const plannedOf = (id: string) => client.send(routes.filterFlowRuns({ deployment_id: { any_: [id] } }));
  const csrf = async () => {
    const headers = { authorization: `Basic ${btoa(AUTH)}` };
    const answer = await fetch(`${prefect.apiUrl}/csrf-token?client=${CLIENT}`, { headers });
    const { token } = (await answer.json()) as { token: string };
    return { 'prefect-csrf-token': token, 'prefect-csrf-client': CLIENT };
  };
  const health = () => api.call('get', '//health/orchestration');

  it('is healthy while runs are planned, also with a schedule of which Prefect plans nothing yet', async () => {
    expect((await create()).status).toBe(201);
    const month = ((new Date().getUTCMonth() + 6) % 12) + 1;
    const yearly = { frequency: 'custom', cron_expression: `0 0 1 ${month} *` };
    const far = (await create(yearly)).body as { prefect_deployment_id: string };
    await until(async () => (await health()).body.scheduler === 'alive', 90_000);
    expect((await health()).status).toBe(200);
    const planned = { deployment_id: { any_: [far.prefect_deployment_id] } };
    await expect(client.send(routes.filterFlowRuns(planned))).resolves.toEqual([]);
  }, 120_000);

  it('turns the health red within 60 s though only daily runs are planned, for days, and all operations go through', async () => {
    const { body } = await create();
    await until(async () => (await plannedOf(body.prefect_deployment_id as string)).length > 0, 60_000);
    await prefect.stopServices();
    const stopped = Date.now();
    await until(async () => (await health()).status === 503, RED_MS);
    process.stderr.write(`red ${Date.now() - stopped} ms after the end of the background services\n`);
    expect(Date.now() - stopped).toBeLessThan(RED_MS);
    expect((await health()).body).toMatchObject({
      code: 'ORCHESTRATION_UNHEALTHY',
      detail: 'Its scheduler plans no runs: timetables stand still. Restart its background services.',
      ...{ initialized: true, reason: null, scheduler: 'dead', workers_online: 1 },
    });
    expect((await api.call('get', '//readyz')).status).toBe(200);
    const other = (await create()).body as { id: string };
    const answers = [
      await api.call('put', `/ingestions/${body.id}`, { schedule: { ...DAILY, time: '07:00' } }),
      await api.call('post', `/ingestions/${body.id}/run`),
      await api.call('post', `/ingestions/${other.id}/run`),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 202, 202]);
    await prefect.startServices();
    await until(async () => (await health()).status === 200, 120_000);
  }, 300_000);

  it('has a canary that leaves nothing behind: one deployment, at most one flow run, no event', async () => {
    const canary = await client.send(routes.readDeploymentByName('sluice-canary', 'sluice-canary'));
    expect(canary).toMatchObject({ work_pool_name: null, tags: [], paused: false });
    const runs = await client.send(routes.filterFlowRuns({ deployment_id: { any_: [canary.id] } }));
    expect(runs.length).toBeLessThanOrEqual(1);
    for (const run of runs) expect(Number(run.expected_start_time)).toBeGreaterThan(Date.now() + 50 * 86_400_000);
    const about = {
      resource: { id: [`prefect.deployment.${canary.id}`] },
      event: { name: ['prefect.deployment.updated'] },
    };
    const answer = await fetch(`${prefect.apiUrl}/events/filter`, {
      method: 'POST',
      headers: { authorization: `Basic ${btoa(AUTH)}`, 'content-type': 'application/json', ...(await csrf()) },
      body: JSON.stringify({ filter: about, limit: 10 }),
    });
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({ total: 0 });
  });

  it('is unavailable by auth to who has other credentials', async () => {
    const stranger = clientWith('admin:wrong');
    await expect(stranger.send(routes.readVersion())).rejects.toMatchObject({ reason: 'auth' });
    stranger.close();
  });

  it('says 400 and what it requires to an API version that is too old', async () => {
    const headers = { authorization: `Basic ${btoa(AUTH)}`, 'x-prefect-api-version': '0.0.1' };
    const answer = await fetch(`${prefect.apiUrl}/flows/name/run-ingestion`, { headers });
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ detail: expect.stringMatching(/api version/i) });
  });
});
