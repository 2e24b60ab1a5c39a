import { OrchestrationUnavailable, Secret, SystemClock } from '@sluice/kernel';
import { startFakePrefect, type FakePrefect, type Misbehaviour } from '../../../../test/support/fake-prefect';
import { createClient } from '../create-gateway';
import type { PrefectClient } from './client';
import * as routes from './routes';

/** The budget of 5 s, and what a busy machine may add. */
const WITHIN_BUDGET_MS = 7_000;

describe('a call to Prefect', () => {
  let fake: FakePrefect;
  let prefect: PrefectClient;

  beforeEach(async () => {
    fake = await startFakePrefect();
    prefect = clientOf(fake.apiUrl);
  });

  const clientOf = (urls: string, authString?: string) => {
    const auth = authString === undefined ? undefined : new Secret(authString);
    return createClient({ PREFECT_API_URL: urls, PREFECT_API_AUTH_STRING: auth }, new SystemClock());
  };

  afterEach(async () => {
    prefect.close();
    await fake.stop();
  });

  it.each<[Misbehaviour, string, number]>([
    ['http_500', 'http_5xx', 3],
    ['http_502', 'http_5xx', 3],
    ['http_503', 'http_5xx', 3],
    ['http_504', 'http_5xx', 3],
    ['lost_race', 'http_5xx', 3],
    ['outdated', 'version', 1],
    ['csrf', 'auth', 1],
    ['reset', 'reset', 3],
    ['lost_answer', 'reset', 3],
    ['unauthorized', 'auth', 1],
    ['forbidden', 'auth', 1],
    ['html', 'protocol', 1],
    ['cut_json', 'protocol', 1],
    ['wrong_shape', 'protocol', 1],
  ])('that meets %s is unavailable by %s after %i tries', async (kind, reason, tries) => {
    await fake.misbehave(kind);
    await expect(prefect.send(routes.readVersion())).rejects.toMatchObject({
      code: 'ORCHESTRATION_UNAVAILABLE',
      reason,
    });
    expect(fake.requests).toHaveLength(tries);
  });

  it('that meets a closed port is refused', async () => {
    await fake.misbehave('down');
    await expect(prefect.send(routes.readVersion())).rejects.toMatchObject({ reason: 'refused' });
  });

  it('that is never answered ends as a timeout within its budget of 5 s', async () => {
    await fake.misbehave('hang');
    const started = performance.now();
    await expect(prefect.send(routes.readVersion())).rejects.toMatchObject({ reason: 'timeout' });
    expect(performance.now() - started).toBeLessThan(WITHIN_BUDGET_MS);
    expect(fake.requests).toHaveLength(2);
  });

  it('succeeds when the trouble passes within its retries', async () => {
    await fake.misbehave('http_503', { times: 2 });
    await expect(prefect.send(routes.readVersion())).resolves.toBe('3.8.8');
  });

  it('waits as long as Retry-After says, within its budget', async () => {
    await fake.misbehave('rate_limited', { times: 1, seconds: 1 });
    const started = performance.now();
    await expect(prefect.send(routes.readVersion())).resolves.toBe('3.8.8');
    expect(performance.now() - started).toBeGreaterThanOrEqual(950);
  });

  it('waits until the date in Retry-After', async () => {
    await fake.misbehave('rate_limited', { times: 1, seconds: 2, asDate: true });
    const started = performance.now();
    await expect(prefect.send(routes.readVersion())).resolves.toBe('3.8.8');
    expect(performance.now() - started).toBeGreaterThanOrEqual(900);
  });

  it('whose answer never ends is a timeout within its budget', async () => {
    await fake.misbehave('slow_body');
    const started = performance.now();
    await expect(prefect.send(routes.readVersion())).rejects.toMatchObject({ reason: 'timeout' });
    expect(performance.now() - started).toBeLessThan(WITHIN_BUDGET_MS);
  });

  it('that a closing breaks off is not tried again', async () => {
    await fake.misbehave('hang');
    const failure = expect(prefect.send(routes.readVersion())).rejects.toThrow(OrchestrationUnavailable);
    while (fake.requests.length === 0) await new Promise(setImmediate);
    prefect.close();
    await failure;
    expect(fake.requests).toHaveLength(1);
  });

  it('gives up at once when Retry-After is beyond its budget, and passes it on', async () => {
    await fake.misbehave('rate_limited', { seconds: 30 });
    const failure = expect(prefect.send(routes.readVersion())).rejects;
    await failure.toMatchObject({ reason: 'rate_limited', retryAfterSeconds: 30 });
    expect(fake.requests).toHaveLength(1);
  });

  it('ends when its signal aborts', async () => {
    await fake.misbehave('hang');
    const ender = new AbortController();
    setTimeout(() => {
      ender.abort();
    }, 50);
    const started = performance.now();
    await expect(prefect.send(routes.readVersion(), prefect.budget(5_000, ender.signal))).rejects.toThrow(
      OrchestrationUnavailable,
    );
    expect(performance.now() - started).toBeLessThan(4_000);
  });

  it('tells a missing thing from a missing route', async () => {
    await expect(prefect.find(routes.readPool('none'))).resolves.toBeNull();
    const elsewhere = { ...routes.readVersion(), path: '/not/a/route' };
    await expect(prefect.find(elsewhere)).rejects.toMatchObject({ reason: 'protocol' });
  });

  it('carries the API version, and the credentials as Basic authentication', async () => {
    const guarded = await startFakePrefect({ authString: 'admin:pass' });
    const open = clientOf(guarded.apiUrl);
    const known = clientOf(guarded.apiUrl, 'admin:pass');
    await expect(open.send(routes.readVersion())).rejects.toMatchObject({ reason: 'auth' });
    await expect(known.send(routes.readVersion())).resolves.toBe('3.8.8');
    expect(guarded.requests.at(-1)?.headers).toMatchObject({ 'x-prefect-api-version': '0.8.4' });
    for (const client of [open, known]) client.close();
    await guarded.stop();
  });

  it('never goes through a proxy of the environment', async () => {
    process.env['HTTP_PROXY'] = process.env['http_proxy'] = 'http://127.0.0.1:9';
    try {
      await expect(prefect.send(routes.readVersion())).resolves.toBe('3.8.8');
    } finally {
      delete process.env['HTTP_PROXY'];
      delete process.env['http_proxy'];
    }
  });

  it('reuses its connection', async () => {
    const ports = new Set<number | undefined>();
    for (let turn = 0; turn < 3; turn++) {
      await prefect.send(routes.readVersion());
      ports.add(fake.requests.at(-1)?.port);
    }
    expect(ports.size).toBe(1);
  });
});
