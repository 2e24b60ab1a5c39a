import { createHmac, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { ConfigError, readConfig } from '@sluice/kernel';
import { EventDelivery, type EventView, Statistics } from '@sluice/ingestion';
import { expectProblem, startApi, type Api } from '../support/api';
import { until } from '../support/control-plane';

const KEY = Buffer.from('0123456789abcdef0123456789abcdef');
const SECRET = `whsec_${KEY.toString('base64')}`;

interface Received {
  headers: IncomingMessage['headers'];
  body: string;
}
type Answer = (response: ServerResponse) => void;
const taken: Answer = (response) => response.writeHead(204).end();

/** A real server, which answers as it is told. */
async function startReceiver() {
  const received: Received[] = [];
  const state: { answer: Answer } = { answer: taken };
  const server: Server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
    request.on('end', () => {
      received.push({ headers: request.headers, body });
      state.answer(response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook?token=sesame`;
  const stop = () => new Promise((resolve) => server.close(resolve).closeAllConnections());
  return { received, state, url, stop };
}

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

let receiver: Awaited<ReturnType<typeof startReceiver>>;
let api: Api;
beforeAll(async () => {
  receiver = await startReceiver();
  api = await startApi({ SLUICE_WEBHOOK_URL: receiver.url, SLUICE_WEBHOOK_SECRET: SECRET });
});
afterEach(async () => {
  receiver.state.answer = taken;
  await api.app.get(EventDelivery).idle();
  receiver.received.length = 0;
  await api.sql('DELETE FROM sluice_control.event');
});
afterAll(async () => {
  await api.close();
  await receiver.stop();
});

async function happened(fields: { ingestionId?: string | null; kind?: string; age?: number } = {}): Promise<string> {
  const id = randomUUID();
  const { ingestionId = null, kind = 'failing', age = 1 } = fields;
  await api.sql(
    `INSERT INTO sluice_control.event (id, kind, ingestion_id, message, facts, created_at, next_attempt_at)
     VALUES ($1, $2, $3, 'Größe', '{"n": 1}', now() - make_interval(secs => $4), now() - make_interval(secs => $4))`,
    [id, kind, ingestionId, age],
  );
  return id;
}

/** Until a delivery has ended that had begun after this call. */
async function delivered(): Promise<void> {
  const delivery = api.app.get(EventDelivery);
  await delivery.idle();
  await delivery.run();
  await delivery.idle();
}

const dueNow = () =>
  api.sql(`UPDATE sluice_control.event SET next_attempt_at = now() - interval '1 s' WHERE delivered_at IS NULL`);
const of = (id: string) => receiver.received.filter(({ headers }) => headers['webhook-id'] === id);
async function shown(id: string): Promise<EventView> {
  const { body } = await api.call('get', '/events');
  return (body as { items: EventView[] }).items.find((event) => event.id === id)!;
}

describe('an event', () => {
  it('is sent once it happens, signed as Standard Webhooks says', async () => {
    const ingestionId = randomUUID();
    const id = await happened({ ingestionId });
    await delivered();
    await until(() => of(id).length > 0);
    const [{ headers, body } = { headers: {}, body: '' }] = of(id);
    const { created_at } = await shown(id);
    expect(JSON.parse(body)).toEqual({
      type: 'failing',
      timestamp: created_at,
      data: { id, ingestion_id: ingestionId, message: 'Größe', facts: { n: 1 } },
    });
    const timestamp = String(headers['webhook-timestamp']);
    const expected = createHmac('sha256', KEY).update(`${id}.${timestamp}.${body}`).digest('base64');
    expect(headers['webhook-signature']).toBe(`v1,${expected}`);
    expect(Math.abs(Number(timestamp) - Date.now() / 1000)).toBeLessThan(60);
    expect(headers['content-type']).toBe('application/json');
  });

  it('that was taken is not sent again', async () => {
    const id = await happened();
    await delivered();
    await dueNow();
    await delivered();
    await until(async () => (await shown(id)).delivery === 'delivered');
    expect(of(id)).toHaveLength(1);
    expect(await shown(id)).toMatchObject({ attempts: 1, last_error: null });
  });

  it.each<[string, Answer, string]>([
    ['answers 500', (response) => response.writeHead(500).end('no'), 'It answered 500'],
    ['resets', (response) => response.destroy(), 'It could not be reached (UND_ERR_SOCKET)'],
    ['sends elsewhere', (response) => response.writeHead(302, { location: receiver.url }).end(), 'It answered 302'],
    ['hangs', () => undefined, 'No answer within 5 s'],
    ['begins an answer and hangs', (response) => response.writeProcessing(), 'No answer within 5 s'],
  ])('is kept while the receiver %s, and sent again', async (_, answer, because) => {
    receiver.state.answer = answer;
    const id = await happened();
    await delivered();
    expect(await shown(id)).toMatchObject({ delivery: 'pending', attempts: 1, last_error: because });
    receiver.state.answer = taken;
    await dueNow();
    await delivered();
    await until(async () => (await shown(id)).delivery === 'delivered');
    const [first, second] = of(id);
    expect(second?.body).toBe(first?.body);
  });

  it('is given its five seconds even when memory is collected meanwhile', async () => {
    receiver.state.answer = () => undefined;
    const id = await happened();
    const collecting = setInterval(collectGarbage, 50);
    await delivered().finally(() => clearInterval(collecting));
    expect((await shown(id)).last_error).toBe('No answer within 5 s');
  });

  it('is taken although the body of the answer never ends', async () => {
    receiver.state.answer = (response) => response.writeHead(200).write('...');
    const id = await happened();
    await delivered();
    await until(async () => (await shown(id)).delivery === 'delivered');
  });

  it('waits longer after each attempt, an hour at most', async () => {
    receiver.state.answer = (response) => response.writeHead(503).end();
    const id = await happened();
    // From the attempt on: it was made at some time between the call and the look.
    const pauses: { least: number; most: number }[] = [];
    for (const attempts of [0, 1, 4, 30]) {
      await api.sql(
        `UPDATE sluice_control.event SET attempts = $2, next_attempt_at = now() - interval '1 s' WHERE id = $1`,
        [id, attempts],
      );
      const begun = performance.now();
      await delivered();
      const [row] = await api.sql<{ pause: number }>(
        'SELECT extract(epoch FROM next_attempt_at - now())::float8 AS pause FROM sluice_control.event WHERE id = $1',
        [id],
      );
      pauses.push({ least: row!.pause, most: row!.pause + (performance.now() - begun) / 1_000 });
    }
    for (const [index, base] of [5, 10, 80, 3_600].entries()) {
      expect(pauses[index]!.most).toBeGreaterThan(base * 0.75);
      expect(pauses[index]!.least).toBeLessThanOrEqual(base * 1.25);
    }
  });

  it('is given up after a day', async () => {
    const old = await happened({ age: 86_500 });
    await delivered();
    expect(of(old)).toEqual([]);
    expect(await shown(old)).toMatchObject({ delivery: 'off', attempts: 0 });
  });

  it('counts as given up for a day, and not at all when nobody ever tried', async () => {
    await api.sql('DELETE FROM sluice_control.event');
    const [tried, long] = [await happened({ age: 86_500 }), await happened({ age: 2 * 86_500 })];
    await happened({ age: 86_500 });
    await api.sql('UPDATE sluice_control.event SET attempts = 7 WHERE id = ANY ($1)', [[tried, long]]);
    expect((await api.app.get(Statistics).read()).events).toEqual({ pending: 0, givenUp: 1 });
    expect(await shown(tried)).toMatchObject({ delivery: 'given_up', attempts: 7 });
  });

  it('is sent by one of many that try at once', async () => {
    const ids = await Promise.all(Array.from({ length: 10 }, () => happened()));
    const config = readConfig({
      ...{ DATABASE_URL: 'postgresql://u@localhost/x', DESTINATION_URL: 'postgresql://u@localhost/x' },
      ...{ PREFECT_API_URL: 'http://localhost/api', SLUICE_WEBHOOK_URL: receiver.url },
    });
    const database = { query: (sql: string, values?: unknown[]) => api.sql(sql, values) } as never;
    const others = Array.from({ length: 5 }, () => new EventDelivery(database, config));
    await Promise.all([...others, api.app.get(EventDelivery)].map((it) => it.run()));
    await Promise.all(others.map((it) => it.idle()));
    await until(async () => (await shown(ids[0]!)).delivery === 'delivered');
    await until(() => receiver.received.length >= 10);
    expect(receiver.received.map(({ headers }) => headers['webhook-id']).sort()).toEqual(ids.sort());
  });

  it('that is under way holds up no step after it', async () => {
    receiver.state.answer = () => undefined;
    await happened();
    let isOver = false;
    await api.app.get(EventDelivery).run();
    const idle = api.app
      .get(EventDelivery)
      .idle()
      .then(() => (isOver = true));
    await until(() => receiver.received.length > 0);
    expect(isOver).toBe(false);
    await idle;
  });
});

describe('GET /events', () => {
  it('lists what happened, newest first, in pages, of one ingestion or of one kind', async () => {
    const ingestionId = randomUUID();
    const first = await happened({ ingestionId, kind: 'stale', age: 30 });
    const second = await happened({ kind: 'failing', age: 20 });
    const third = await happened({ ingestionId, kind: 'fresh', age: 10 });
    const idsOf = async (query: string) =>
      ((await api.call('get', `/events${query}`)).body as { items: EventView[] }).items.map(({ id }) => id);
    expect(await idsOf('')).toEqual([third, second, first]);
    expect(await idsOf(`?ingestion_id=${ingestionId}`)).toEqual([third, first]);
    expect(await idsOf('?kind=failing')).toEqual([second]);
    const { body } = await api.call('get', '/events?limit=2');
    expect(await idsOf(`?limit=2&cursor=${String(body.next_cursor)}`)).toEqual([first]);
  });

  it.each([
    [
      'kind=loud',
      'kind "loud" is not available. Available now: failing, paused_by_failures, stale, fresh, quarantined, drift_alarm.',
    ],
    ['ingestion_id=7', 'ingestion_id "7" is not a UUID. Give the id of an ingestion.'],
  ])('refuses %s', async (query, detail) => {
    const [path = ''] = query.split('=');
    expectProblem(
      await api.call('get', `/events?${query}`),
      { code: 'VALUE_ERROR', status: 400, title: 'A value is wrong', detail },
      { errors: [{ path, message: detail }] },
    );
  });
});

describe('the settings of the webhook', () => {
  const read = (env: Record<string, string>) =>
    readConfig({
      ...{ DATABASE_URL: 'postgresql://u@localhost/x', DESTINATION_URL: 'postgresql://u@localhost/x' },
      ...{ PREFECT_API_URL: 'http://localhost/api', ...env },
    });

  it('are never shown', () => {
    const config = read({ SLUICE_WEBHOOK_URL: 'https://hooks.example/T0/secret', SLUICE_WEBHOOK_SECRET: SECRET });
    expect(JSON.stringify(config)).not.toMatch(/hooks\.example|MDEyMzQ1/);
    expect(config.SLUICE_WEBHOOK_SECRET?.reveal()).toEqual(KEY);
  });

  it.each([
    [{ SLUICE_WEBHOOK_URL: 'ftp://a/b' }, /SLUICE_WEBHOOK_URL: Invalid URL/],
    [{ SLUICE_WEBHOOK_URL: 'https://a:b@c/' }, /SLUICE_WEBHOOK_URL: must not hold a user or a password/],
    [{ SLUICE_WEBHOOK_SECRET: 'whsec_short' }, /SLUICE_WEBHOOK_SECRET: must be whsec_ and 24 to 64 bytes in base64/],
    [{ SLUICE_WEBHOOK_SECRET: KEY.toString('base64') }, /SLUICE_WEBHOOK_SECRET: must be whsec_/],
  ])('cannot be %j', (env, message) => {
    expect(() => read(env)).toThrow(ConfigError);
    expect(() => read(env)).toThrow(message);
  });
});
