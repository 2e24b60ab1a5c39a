import { SystemClock } from '@sluice/kernel';
import { startFakePrefect, type FakePrefect, type Misbehaviour } from '../../../../test/support/fake-prefect';
import { createClient } from '../create-gateway';
import type { PrefectClient } from './client';
import * as routes from './routes';

describe('with CSRF protection', () => {
  let fake: FakePrefect;
  let prefect: PrefectClient;

  beforeEach(async () => {
    fake = await startFakePrefect();
    fake.csrf.isOn = true;
    prefect = createClient({ PREFECT_API_URL: fake.apiUrl, PREFECT_API_AUTH_STRING: undefined }, new SystemClock());
  });

  afterEach(async () => {
    prefect.close();
    await fake.stop();
  });

  const write = () => prefect.send(routes.ensureFlow());
  const asked = () => fake.requests.map(({ method, path }) => `${method} ${path.replace(/\?.*/, '')}`);

  it('a write gets a token and is sent again; later ones carry it', async () => {
    const { id } = await write();
    await expect(write()).resolves.toEqual({ id });
    expect(asked()).toEqual(['POST /flows/', 'GET /csrf-token', 'POST /flows/', 'POST /flows/']);
  });

  it('a token that has expired is replaced', async () => {
    await write();
    fake.csrf.expire();
    await write();
    expect(asked().slice(3)).toEqual(['POST /flows/', 'GET /csrf-token', 'POST /flows/']);
  });

  it('many writes at once share one token, since a second would make the first worthless', async () => {
    await Promise.all(Array.from({ length: 20 }, write));
    expect(asked().filter((it) => it === 'GET /csrf-token')).toHaveLength(1);
    fake.csrf.expire();
    await Promise.all(Array.from({ length: 20 }, write));
    expect(asked().filter((it) => it === 'GET /csrf-token')).toHaveLength(2);
  });

  it('reading needs none', async () => {
    await prefect.send(routes.readVersion());
    expect(asked()).toEqual(['GET /admin/version']);
  });

  it('a write is unavailable by auth when no token is given out', async () => {
    await fake.misbehave('forbidden', { route: /csrf-token/ });
    await expect(write()).rejects.toMatchObject({ reason: 'auth' });
    expect(asked()).toEqual(['POST /flows/', 'GET /csrf-token']);
  });

  it.each<Misbehaviour>(['http_503', 'lost_answer', 'rate_limited'])(
    'a write is tried again when its token meets a passing %s',
    async (kind) => {
      await fake.misbehave(kind, { route: /csrf-token/, times: 1 });
      await expect(write()).resolves.toHaveProperty('id');
      await fake.misbehave(kind, { route: /csrf-token/, times: 1 });
      fake.csrf.expire();
      await expect(write()).resolves.toHaveProperty('id');
    },
  );

  it.each<[Misbehaviour, string]>([
    ['http_503', 'http_5xx'],
    ['lost_answer', 'reset'],
  ])('a write is unavailable by what its token meets: %s is %s', async (kind, reason) => {
    await fake.misbehave(kind, { route: /csrf-token/ });
    await expect(write()).rejects.toMatchObject({ reason });
  });

  it('a write is unavailable by auth when the server wants a token and says it has none', async () => {
    await fake.misbehave('unprocessable', { route: /csrf-token/ });
    await expect(write()).rejects.toMatchObject({ reason: 'auth' });
  });

  it('a write keeps to its time when the token does not come', async () => {
    await fake.misbehave('hang', { route: /csrf-token/ });
    const started = performance.now();
    await expect(prefect.send(routes.ensureFlow(), prefect.budget(500))).rejects.toMatchObject({ reason: 'timeout' });
    expect(performance.now() - started).toBeLessThan(3_000);
  });
});

describe('without CSRF protection', () => {
  it('a token is never asked for, not even after another 403', async () => {
    const fake = await startFakePrefect();
    const config = { PREFECT_API_URL: fake.apiUrl, PREFECT_API_AUTH_STRING: undefined };
    const prefect = createClient(config, new SystemClock());
    await prefect.send(routes.ensureFlow());
    await fake.misbehave('forbidden');
    await expect(prefect.send(routes.ensureFlow())).rejects.toMatchObject({ reason: 'auth' });
    expect(fake.requests.filter(({ path }) => path.startsWith('/csrf-token'))).toEqual([]);
    prefect.close();
    await fake.stop();
  });
});
