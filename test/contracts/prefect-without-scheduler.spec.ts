import { Logger } from '@nestjs/common';
import { Secret, SystemClock } from '@sluice/kernel';
import { createClient } from '../../libs/orchestration-gateway/src/create-gateway';
import type { PrefectClient } from '../../libs/orchestration-gateway/src/prefect/client';
import * as routes from '../../libs/orchestration-gateway/src/prefect/routes';
import * as wire from '../../libs/orchestration-gateway/src/prefect/wire';
import { startApi, type Api } from '../support/api';
import { until } from '../support/control-plane';
import { OwnPrefect } from '../support/own-prefect';
import { describeWithPrefect } from '../support/prefect';

const AUTH = 'admin:pass';
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
    api = await startApi(env, { probeEveryMs: 1_000 });
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

  it('turns the health red within 60 s while all operations go through, and green again when it is back', async () => {
    await prefect.stopServices();
    const stopped = Date.now();
    const { body } = await create();
    const answers = [
      await api.call('put', `/ingestions/${body.id}`, { schedule: { ...DAILY, time: '07:00' } }),
      await api.call('post', `/ingestions/${body.id}/run`),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 202]);
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
    expect((await api.call('post', `/ingestions/${other.id}/run`)).status).toBe(202);
    await prefect.startServices();
    await until(async () => (await health()).status === 200, 120_000);
  }, 240_000);

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
