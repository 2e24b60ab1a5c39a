import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { SystemClock } from '@sluice/kernel';
import {
  startFakePrefect,
  type FakePrefect,
  type Misbehaviour,
  type MisbehaviourOptions,
} from '../../../test/support/fake-prefect';
import { until } from '../../../test/support/until';
import { createClient, createGateway } from './create-gateway';
import type { OrchestrationGateway } from './orchestration-gateway';
import type { PrefectClient } from './prefect/client';
import * as routes from './prefect/routes';

const POOL = { PREFECT_WORK_POOL: 'sluice', SLUICE_RUNNER_COMMAND: 'node x', SLUICE_RUNNER_WORKING_DIR: '/' };

const BUDGET_MS = 5_000;
/** What a busy machine may add. */
const BUSY_MS = 2_000;

describe('with two servers', () => {
  let first: FakePrefect;
  let second: FakePrefect;
  let client: PrefectClient;
  let gateway: OrchestrationGateway;

  beforeEach(async () => {
    Logger.overrideLogger(false);
    [first, second] = await Promise.all([startFakePrefect(), startFakePrefect()]);
    const urls = { PREFECT_API_URL: `${first.apiUrl},${second.apiUrl}`, PREFECT_API_AUTH_STRING: undefined };
    client = createClient(urls, new SystemClock());
    gateway = createGateway({ ...urls, ...POOL }, new SystemClock(), { probeEveryMs: 30 });
  });

  afterEach(async () => {
    gateway.onModuleDestroy();
    gateway.onApplicationShutdown();
    client.close();
    await Promise.all([first.stop(), second.stop()]);
  });

  const ask = () => client.send(routes.readVersion());

  it('the first is asked and the second left alone', async () => {
    for (let call = 0; call < 3; call++) await ask();
    expect([first.requests.length, second.requests.length]).toEqual([3, 0]);
  });

  it.each<Misbehaviour>(['down', 'reset', 'lost_answer', 'http_503', 'rate_limited', 'html', 'unauthorized', 'hang'])(
    'the second answers while the first is %s, and from then on it is asked first',
    async (kind) => {
      await first.misbehave(kind);
      await expect(ask()).resolves.toBe('3.8.8');
      const asked = first.requests.length;
      await ask();
      expect(first.requests).toHaveLength(asked);
      expect(second.requests).toHaveLength(2);
    },
  );

  it('a frozen first one leaves time for the second within the budget', async () => {
    await first.misbehave('hang');
    const started = performance.now();
    await expect(ask()).resolves.toBe('3.8.8');
    expect(performance.now() - started).toBeLessThan(BUDGET_MS);
  });

  it('the first is asked again when the second fails', async () => {
    await first.misbehave('http_503', { times: 1 });
    await ask();
    await second.misbehave('http_503');
    await expect(ask()).resolves.toBe('3.8.8');
    expect(first.requests).toHaveLength(2);
  });

  it('it is unavailable, within the budget, when both fail', async () => {
    await first.misbehave('hang');
    await second.misbehave('hang');
    const started = performance.now();
    await expect(ask()).rejects.toMatchObject({ reason: 'timeout' });
    expect(performance.now() - started).toBeLessThan(BUDGET_MS + BUSY_MS);
  });

  it.each<[Misbehaviour, MisbehaviourOptions]>([
    ['http_503', {}],
    ['lost_answer', {}],
    ['rate_limited', { seconds: 1 }],
  ])('a passing %s of the one that is well is tried again there when the other is dead', async (kind, options) => {
    await second.misbehave('down');
    for (const call of [ask, () => gateway.readFlowRun(randomUUID())]) {
      await first.misbehave(kind, { times: 1, ...options });
      await call();
    }
    expect(first.requests).toHaveLength(4);
  });

  it('Retry-After is obeyed though the other asks for nothing', async () => {
    await first.misbehave('rate_limited', { times: 1, seconds: 1 });
    await second.misbehave('down');
    const started = performance.now();
    await ask();
    expect(performance.now() - started).toBeGreaterThanOrEqual(950);
  });

  it.each<[Misbehaviour, string, number]>([
    ['http_503', 'http_5xx', 3],
    ['unauthorized', 'auth', 1],
    ['rate_limited', 'rate_limited', 1],
  ])(
    'what the one that is there answers (%s) is told as %s after %i tries when the other is dead',
    async (kind, reason, tries) => {
      await first.misbehave(kind, { seconds: 30 });
      await second.misbehave('down');
      await expect(ask()).rejects.toMatchObject({ reason });
      expect(first.requests).toHaveLength(tries);
    },
  );

  it('each is asked once where nothing is to be repeated', async () => {
    await first.misbehave('http_503');
    await second.misbehave('http_503');
    await expect(client.send(routes.readVersion(), client.onlyOnce(5_000))).rejects.toThrow();
    expect([first.requests.length, second.requests.length]).toEqual([1, 1]);
  });

  it('a call that nobody waits for any longer asks no second', async () => {
    await first.misbehave('hang');
    const budget = client.budget(5_000, AbortSignal.timeout(100));
    await expect(client.send(routes.readVersion(), budget)).rejects.toMatchObject({ reason: 'timeout' });
    expect(second.requests).toHaveLength(0);
  });

  it.each<Misbehaviour>(['rate_limited', 'unauthorized', 'http_500'])(
    'a creation whose answer the first lost is found there although the second is %s',
    async (kind) => {
      gateway.onApplicationBootstrap();
      await until(() => gateway.initialized);
      const id = randomUUID();
      const creation = /^POST \/deployments\/$/;
      await first.misbehave('lost_answer', { route: creation });
      await second.misbehave(kind, { route: creation });
      const timetable = { cron: '0 6 * * *', timezone: 'UTC' };
      const made = await gateway.upsertDeployment({ ingestionId: id, title: 'late', timetable, paused: false });
      expect(made.id).toBe(first.deployments[0]?.id);
    },
  );

  it('a value that is refused is not offered to the second', async () => {
    await first.misbehave('unprocessable');
    await expect(ask()).rejects.toThrow('refused a request');
    expect(second.requests).toHaveLength(0);
  });

  it('the flag stays up while one of them is well, and falls when none is', async () => {
    gateway.onApplicationBootstrap();
    await until(() => gateway.initialized);
    await first.misbehave('down');
    await until(() => first.requests.length > 0 && second.requests.length > 20);
    expect(gateway.status()).toMatchObject({ initialized: true, reason: null });
    await second.misbehave('down');
    await until(() => !gateway.initialized);
    expect(gateway.status().reason).toBe('refused');
    await first.behave();
    await until(() => gateway.initialized);
  }, 30_000);

  it('one that the probe saw frozen costs callers nothing', async () => {
    gateway.onApplicationBootstrap();
    await until(() => gateway.initialized);
    await first.misbehave('hang');
    await sleep(6_500);
    const started = performance.now();
    await gateway.readFlowRun(randomUUID());
    expect(performance.now() - started).toBeLessThan(1_000);
    expect(gateway.initialized).toBe(true);
  }, 30_000);
});

describe('with three servers', () => {
  let fakes: FakePrefect[];
  let client: PrefectClient;

  beforeEach(async () => {
    fakes = await Promise.all([startFakePrefect(), startFakePrefect(), startFakePrefect()]);
    const urls = fakes.map(({ apiUrl }) => apiUrl).join(',');
    client = createClient({ PREFECT_API_URL: urls, PREFECT_API_AUTH_STRING: undefined }, new SystemClock());
  });

  afterEach(async () => {
    client.close();
    await Promise.all(fakes.map((fake) => fake.stop()));
  });

  const asked = () => fakes.map(({ requests }) => requests.length);

  it('one that takes less than two seconds is waited for', async () => {
    await fakes[0]?.misbehave('slow', { ms: 1_800 });
    await client.send(routes.readVersion());
    expect(asked()).toEqual([1, 0, 0]);
  });

  it('two frozen ones leave time for the third', async () => {
    for (const fake of fakes.slice(0, 2)) await fake.misbehave('hang');
    await client.send(routes.readVersion());
    expect(asked()).toEqual([1, 1, 1]);
  });

  it('a budget too short to judge by is shared by all', async () => {
    await fakes[0]?.misbehave('hang');
    await client.send(routes.readVersion(), client.budget(1_500));
    expect(asked()).toEqual([1, 1, 0]);
  });
});
