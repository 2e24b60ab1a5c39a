import { Logger } from '@nestjs/common';
import { Reconciler } from '@sluice/ingestion';
import { OrchestrationGateway } from '@sluice/orchestration-gateway';
import type { Response } from 'supertest';
import { expectProblem, startApi, type Api } from '../support/api';
import { until } from '../support/control-plane';
import type { Misbehaviour } from '../support/fake-prefect';

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterEach(async () => {
  await api.fake.behave();
  await until(() => api.app.get(OrchestrationGateway).initialized);
});
afterAll(() => api.close());

const DAILY = { frequency: 'daily', time: '06:00' };
/** Routes of Prefect which use cases call and probes do not, so that the flag stays up and the real call meets the fault. */
const USED = { route: /deployments|flow_runs/ };

let made = 0;
const aBody = (fields: object = {}) => ({
  name: `trips ${(made += 1)}`,
  source: { type: 'file', path: '/data/in' },
  destination: { table: 'trips' },
  ...fields,
});
const create = (fields: object = {}) => api.call('post', '/ingestions', aBody(fields));
const scheduled = async () => (await create({ schedule: DAILY })).body as { id: string };

/** Both databases, as far as an operation could have changed them. A trigger leaves its run marked failed. */
const everything = async () => ({
  ingestions: await api.sql(
    `SELECT id, name, status, schedule, prefect_deployment_id, updated_at FROM sluice_control.ingestion ORDER BY id`,
  ),
  waiting: await api.sql(`SELECT id FROM sluice_control.run WHERE status IN ('queued', 'running')`),
  deployments: structuredClone(api.fake.deployments),
  flowRuns: structuredClone(api.fake.flowRuns),
});

function expectUnavailable(response: Response, detail: string, reason: string): void {
  const problem = {
    code: 'ORCHESTRATION_UNAVAILABLE',
    status: 503,
    title: 'Orchestration service unavailable',
    detail,
  };
  expectProblem(response, problem, { reason });
  expect(response.headers['retry-after']).toMatch(/^[1-9]\d*$/);
}

const FAULTS: [Misbehaviour, string][] = [
  ['down', 'refused'],
  ['hang', 'timeout'],
  ['http_500', 'http_5xx'],
  ['html', 'protocol'],
];

describe.each(FAULTS)('while Prefect is %s', (kind, reason) => {
  let ids: Record<'update' | 'pause' | 'resume' | 'trigger', string>;
  let before: Awaited<ReturnType<typeof everything>>;
  let answers: Record<string, Response>;

  beforeAll(async () => {
    const [update, pause, resume, trigger] = await Promise.all([scheduled(), scheduled(), scheduled(), scheduled()]);
    ids = { update: update.id, pause: pause.id, resume: resume.id, trigger: trigger.id };
    await api.call('post', `/ingestions/${resume.id}/pause`);
    before = await everything();
    await api.fake.misbehave(kind, kind === 'down' ? {} : USED);
    const [created, updated, paused, resumed, triggered] = await Promise.all([
      create({ schedule: DAILY }),
      api.call('put', `/ingestions/${update.id}`, { name: 'not this', schedule: { ...DAILY, time: '07:00' } }),
      api.call('post', `/ingestions/${pause.id}/pause`),
      api.call('post', `/ingestions/${resume.id}/resume`),
      api.call('post', `/ingestions/${trigger.id}/run`),
    ]);
    answers = { created, updated, paused, resumed, triggered };
  }, 30_000);

  it.each([
    ['create', 'created', 'Cannot create ingestion: Orchestration service unavailable'],
    ['update of the schedule', 'updated', 'Cannot update schedule: Orchestration service unavailable'],
    ['pause', 'paused', 'Cannot pause ingestion: Orchestration service unavailable'],
    ['resume', 'resumed', 'Cannot resume ingestion: Orchestration service unavailable'],
    ['trigger', 'triggered', 'Orchestration service unavailable. Please try again later.'],
  ])('%s answers 503 with its sentence, the reason and Retry-After', (_call, key, sentence) => {
    expectUnavailable(answers[key]!, sentence, reason);
  });

  it('nothing has changed in either database', async () => {
    expect(await everything()).toEqual(before);
    expect(Object.keys(ids)).toHaveLength(4);
  });
});

describe('while Prefect is down', () => {
  it('drafts are created, changed, paused, read and deleted', async () => {
    await api.fake.misbehave('down');
    const { body } = await create();
    expect((await api.call('patch', `/ingestions/${body.id}`, { name: 'drafted' })).status).toBe(200);
    expect((await api.call('post', `/ingestions/${body.id}/pause`)).status).toBe(200);
    expect((await api.call('get', '/ingestions')).status).toBe(200);
    expect((await api.call('delete', `/ingestions/${body.id}`)).status).toBe(204);
  });

  it('delete answers 204, and a later sweep removes the deployment', async () => {
    const { id } = await scheduled();
    const deployment = () => api.fake.deployments.find((it) => it.name === `ingestion-${id}`);
    await api.fake.misbehave('down');
    expect((await api.call('delete', `/ingestions/${id}`)).status).toBe(204);
    expect((await api.call('get', `/ingestions/${id}`)).status).toBe(404);
    expect(deployment()).toMatchObject({ name: `ingestion-${id}` });
    await api.fake.behave();
    await until(() => api.app.get(OrchestrationGateway).initialized);
    await api.sql(`UPDATE sluice_control.tombstone SET next_attempt_at = now() - interval '1 s'`);
    await api.app.get(Reconciler).runOnce();
    expect(deployment()).toBeUndefined();
  });

  it('the flag turns false and true again, the process stays ready', async () => {
    const status = async () => (await api.call('get', '/orchestration/status')).body;
    const health = async () => (await api.call('get', '//healthz')).body.details.prefect;
    expect([await status(), await health()]).toMatchObject([
      { initialized: true, reason: null, prefect_version: '3.8.8' },
      { status: 'up', initialized: true, reason: null },
    ]);
    await api.fake.misbehave('down');
    await until(async () => !(await status()).initialized);
    const { since, last_success_at } = await status();
    // The clock may have been set back a little in between.
    expect(Date.parse(since)).toBeGreaterThan(Date.parse(last_success_at) - 1_000);
    expect([await status(), await health()]).toMatchObject([
      { initialized: false, reason: 'refused' },
      { status: 'down', initialized: false, reason: 'refused' },
    ]);
    expect((await api.call('get', '//readyz')).status).toBe(200);
    expect((await api.call('get', '//healthz')).status).toBe(200);
    expectUnavailable(
      await create({ schedule: DAILY }),
      'Cannot create ingestion: Orchestration service unavailable',
      'not_initialized',
    );
    await api.fake.behave();
    await until(async () => (await status()).initialized);
    expect(await health()).toMatchObject({ status: 'up', initialized: true, reason: null });
    expect((await create({ schedule: DAILY })).status).toBe(201);
  });
});

describe('Retry-After', () => {
  it('is what Prefect asked for', async () => {
    const { id } = await scheduled();
    await api.fake.misbehave('rate_limited', { ...USED, seconds: 17 });
    const response = await api.call('post', `/ingestions/${id}/run`);
    expectUnavailable(response, 'Orchestration service unavailable. Please try again later.', 'rate_limited');
    expect(response.headers['retry-after']).toBe('17');
  });
});

describe('two operations on one ingestion at once', () => {
  it('one wins, the other answers 409', async () => {
    const { id } = await scheduled();
    await api.fake.misbehave('slow', { ...USED, ms: 300 });
    const answers = await Promise.all([
      api.call('post', `/ingestions/${id}/pause`),
      api.call('put', `/ingestions/${id}`, { schedule: { ...DAILY, time: '08:00' } }),
    ]);
    const [loser] = answers.filter(({ status }) => status === 409);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
    expect(loser!.body).toMatchObject({ code: 'CONFLICT', status: 409, title: 'The state does not allow this now' });
  });
});

describe('an answer that Sluice does not understand', () => {
  it('is logged with what was wrong with it, under the id of the request', async () => {
    const logged: { err?: Error; request_id?: string }[] = [];
    const log = jest.spyOn(Logger.prototype, 'warn').mockImplementation((entry) => void logged.push(entry as object));
    await api.fake.misbehave('wrong_shape', USED);
    const { body } = await create({ schedule: DAILY });
    log.mockRestore();
    const entry = logged.find(({ request_id }) => request_id === body.request_id);
    expect([body.reason, body.request_id]).toEqual(['protocol', entry?.request_id]);
    expect(messagesOf(entry?.err).at(-1)).toMatch(/expected/);
  });

  const messagesOf = (error: unknown): string[] =>
    error instanceof Error ? [error.message, ...messagesOf(error.cause)] : [];
});
