import { OrchestrationGateway } from '@sluice/orchestration-gateway';
import type { Response } from 'supertest';
import { startApi, type Api } from '../support/api';
import { until } from '../support/control-plane';

/** 50 ms are promised; a busy machine adds to them, and waiting for Prefect would take more than a second. */
const ANSWER_MS = 500;
const TRIES = 5;
const DAILY = { frequency: 'daily', time: '06:00' };
const LATER = { frequency: 'daily', time: '07:00' };

let made = 0;
const aBody = (schedule: object | null) => ({
  ...{ name: `trips ${(made += 1)}`, source: { type: 'file', path: '/data/in' }, destination: { table: 'trips' } },
  schedule,
});

/** Prefect takes connections and never answers, and the probe has found that out. */
describe('while Prefect is known to be down', () => {
  let api: Api;
  const ids: string[] = [];

  beforeAll(async () => {
    api = await startApi();
    for (let turn = 0; turn < 2 * TRIES; turn++)
      ids.push(((await api.call('post', '/ingestions', aBody(DAILY))).body as { id: string }).id);
    await api.fake.misbehave('hang');
    await until(() => !api.app.get(OrchestrationGateway).initialized, 20_000);
  }, 40_000);
  afterAll(() => api.close());

  /** The fastest, since the machine may be busy with other things, and the first one warms up. */
  const fastest = async (status: number, ask: (id: string) => Promise<Response>) => {
    const times = [];
    for (const id of ids.slice(0, TRIES)) {
      const started = performance.now();
      expect((await ask(id)).status).toBe(status);
      times.push(performance.now() - started);
    }
    return Math.min(...times);
  };

  it.each<[string, (id: string) => Promise<Response>]>([
    ['create', () => api.call('post', '/ingestions', aBody(DAILY))],
    ['update', (id) => api.call('put', `/ingestions/${id}`, { schedule: LATER })],
    ['pause', (id) => api.call('post', `/ingestions/${id}/pause`)],
    ['trigger', (id) => api.call('post', `/ingestions/${id}/run`)],
  ])('%s is refused with 503 at once', async (_, ask) => {
    expect(await fastest(503, ask)).toBeLessThan(ANSWER_MS);
  });

  it.each<[string, (id: string) => Promise<Response>]>([
    ['an ingestion', (id) => api.call('get', `/ingestions/${id}`)],
    ['the list', () => api.call('get', '/ingestions')],
    ['runs', (id) => api.call('get', `/ingestions/${id}/runs`)],
    ['the status', () => api.call('get', '/orchestration/status')],
  ])('%s is read at once', async (_, ask) => {
    expect(await fastest(200, ask)).toBeLessThan(ANSWER_MS);
  });

  it('resume is refused as fast, and delete is not held up', async () => {
    await api.sql(`UPDATE sluice_control.ingestion SET status = 'paused' WHERE id = ANY ($1)`, [ids]);
    expect(await fastest(503, (id) => api.call('post', `/ingestions/${id}/resume`))).toBeLessThan(ANSWER_MS);
    expect(await fastest(204, (id) => api.call('delete', `/ingestions/${id}`))).toBeLessThan(ANSWER_MS);
  });
});
