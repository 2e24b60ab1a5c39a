import { IngestionService } from '@sluice/ingestion';
import { expectProblem, startApi, type Api, type Method } from '../support/api';

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.close());

const NOBODY = '00000000-0000-4000-8000-000000000000';
const invalid = (detail: string) => ({
  ...{ code: 'VALIDATION_FAILED', status: 400, title: 'The request is not valid' },
  detail,
});
const aBody = (fields: object = {}) => ({
  name: 'trips',
  source: { type: 'file', path: '/data/in' },
  destination: { table: 'trips' },
  ...fields,
});
const ingestions = () => api.sql('SELECT id FROM sluice_control.ingestion');

describe('a route that does not exist is a 404 problem', () => {
  it.each<[Method, string]>([
    ['get', '/nothing'],
    ['post', '//'],
    ['delete', `/ingestions/${NOBODY}/nothing`],
    ['get', '//api/v2/ingestions'],
  ])('%s %s', async (method, path) => {
    const whole = path.startsWith('//') ? path.slice(1) : `/api/v1${path}`;
    const detail = `There is no ${whole}. All routes are shown at /docs.`;
    const problem = { code: 'ROUTE_NOT_FOUND', status: 404, title: 'No such route', detail };
    expectProblem(await api.call(method, path), problem);
  });
});

describe('a method that a route does not take is a 405 problem with Allow', () => {
  it.each<[Method, string, string]>([
    ['delete', '/ingestions', 'GET, HEAD, POST'],
    ['post', `/ingestions/${NOBODY}`, 'DELETE, GET, HEAD, PATCH, PUT'],
    ['get', `/ingestions/${NOBODY}/run`, 'POST'],
    ['put', `/runs/${NOBODY}/cancel`, 'POST'],
    ['post', '//livez', 'GET, HEAD'],
    ['put', '//openapi.json', 'GET, HEAD'],
    ['options', '/ingestions', 'GET, HEAD, POST'],
  ])('%s %s', async (method, path, allow) => {
    const response = await api.call(method, path);
    const whole = path.startsWith('//') ? path.slice(1) : `/api/v1${path}`;
    expectProblem(response, {
      code: 'METHOD_NOT_ALLOWED',
      status: 405,
      title: 'The route does not take this method',
      detail: `${whole} takes ${allow}, not ${method.toUpperCase()}.`,
    });
    expect(response.headers['allow']).toBe(allow);
  });
});

describe('a body that cannot be read is a problem', () => {
  it('is 400 when it is not JSON, and the answer does not quote it', async () => {
    const broken = '{"name": "trips", "credentials": hunter2}';
    const response = await api.call('post', '/ingestions', broken, (call) => call.type('json'));
    expectProblem(response, {
      code: 'MALFORMED_JSON',
      status: 400,
      title: 'The body is not JSON',
      detail: expect.stringMatching(/^The body is not valid JSON.*\. Send one JSON object\.$/) as unknown as string,
    });
    expect(JSON.stringify(response.body)).not.toContain('hunter2');
  });

  it.each(['"text"', '17', 'null'])('is 400 when it is %s', async (body) => {
    const response = await api.call('post', '/ingestions', body, (call) => call.type('json'));
    expect([response.status, response.body.code]).toEqual([400, 'MALFORMED_JSON']);
  });

  it('is 400 when it is a list', async () => {
    const response = await api.call('post', '/ingestions', [aBody()]);
    expect([response.status, response.body.code]).toEqual([400, 'VALIDATION_FAILED']);
  });

  it('is 413 when it is larger than 1 MiB', async () => {
    const response = await api.call('post', '/ingestions', aBody({ name: 'x'.repeat(1024 * 1024) }));
    expectProblem(response, {
      code: 'PAYLOAD_TOO_LARGE',
      status: 413,
      title: 'The body is too large',
      detail: 'The body is larger than 1048576 bytes.',
    });
  });

  it.each<[string, string]>([
    ['text/plain', 'as text/plain'],
    ['application/x-www-form-urlencoded', 'as application/x-www-form-urlencoded'],
    ['multipart/form-data; boundary=x', 'as multipart/form-data; boundary=x'],
  ])('is 415 when it is %s', async (type, how) => {
    const response = await api.call('post', '/ingestions', 'name=trips', (call) => call.set('Content-Type', type));
    expectProblem(response, {
      code: 'UNSUPPORTED_MEDIA_TYPE',
      status: 415,
      title: 'The media type is not supported',
      detail: `The body was sent ${how}. Send JSON, with Content-Type: application/json.`,
    });
  });

  it('is 415 when its charset or its encoding is unknown', async () => {
    const charset = (call: Parameters<NonNullable<Parameters<Api['call']>[3]>>[0]) =>
      call.set('Content-Type', 'application/json; charset=klingon');
    const encoding = (call: Parameters<typeof charset>[0]) => call.type('json').set('Content-Encoding', 'zip');
    for (const adjust of [charset, encoding]) {
      const response = await api.call('post', '/ingestions', '{}', adjust);
      expect([response.status, response.body.code]).toEqual([415, 'UNSUPPORTED_MEDIA_TYPE']);
    }
  });

  it('is 400 when it is not what its encoding says', async () => {
    const response = await api.call('post', '/ingestions', '{}', (call) =>
      call.type('json').set('Content-Encoding', 'gzip'),
    );
    expect([response.status, response.body.code]).toEqual([400, 'BAD_REQUEST']);
  });
});

describe('a body that is announced and empty', () => {
  it('counts as none, whatever its type', async () => {
    const response = await api.call('post', `/ingestions/${NOBODY}/pause`, undefined, (call) =>
      call.set('Content-Type', 'text/plain').set('Content-Length', '0'),
    );
    expect(response.body.code).toBe('INGESTION_NOT_FOUND');
  });
});

describe('a value that is wrong is a 400 problem which names it, and nothing is written', () => {
  afterEach(async () => {
    expect(await ingestions()).toEqual([]);
  });

  it.each<[string, object, string]>([
    ['at the top', { colour: 'red' }, 'colour'],
    ['in the source', { source: { type: 'file', path: '/data/in', bucket: 'b' } }, 'source.bucket'],
    ['in the schedule', { schedule: { frequency: 'daily', at: '14:30' } }, 'schedule.at'],
    ['two levels deep', { format: { options: { separator: ';' } } }, 'format.options.separator'],
    ['of the answer', { status: 'active' }, 'status'],
  ])('an unknown field %s', async (_where, fields, path) => {
    const message = `${path} is not a known field`;
    expectProblem(await api.call('post', '/ingestions', aBody(fields)), invalid(`${message}.`), {
      errors: [{ path, message }],
    });
  });

  it('several at once, all named', async () => {
    const response = await api.call('post', '/ingestions', {
      source: { type: 7, path: '/data/in' },
      destination: 'trips',
    });
    const paths = (response.body.errors as { path: string }[]).map(({ path }) => path);
    expect(paths).toEqual(expect.arrayContaining(['name', 'source.type', 'destination']));
    expect(response.body.detail).toMatch(/^\d values are wrong: name, source\.type, destination/);
  });

  it('no body at all', async () => {
    const response = await api.call('post', '/ingestions');
    expect(response.status).toBe(400);
    expect(response.body.errors).toContainEqual({ path: 'name', message: 'name must be a string' });
  });

  it.each<[string, object, string]>([
    ['null for a part that has a default', { format: null }, 'format'],
    ['null for a text that has a default', { schedule: { frequency: 'daily', timezone: null } }, 'schedule.timezone'],
    ['a number as text', { schedule: { frequency: 'weekly', day_of_week: '1' } }, 'schedule.day_of_week'],
    ['a list for a part', { source: [] }, 'source'],
  ])('%s', async (_what, fields, path) => {
    const response = await api.call('post', '/ingestions', aBody(fields));
    expect([response.status, response.body.code]).toEqual([400, 'VALIDATION_FAILED']);
    expect((response.body.errors as { path: string }[]).map((error) => error.path)).toContain(path);
  });

  it('a rule of the domain: the ValueError with its path', async () => {
    const message =
      'schedule.timezone "+02:00" is not a time zone. Give an IANA name such as "Europe/Berlin", "America/New_York" or "UTC".';
    const body = aBody({ schedule: { frequency: 'daily', timezone: '+02:00' } });
    expectProblem(
      await api.call('post', '/ingestions', body),
      { code: 'VALUE_ERROR', status: 400, title: 'A value is wrong', detail: message },
      { errors: [{ path: 'schedule.timezone', message }] },
    );
  });

  it('a kind of source that comes later, with those there are', async () => {
    const response = await api.call('post', '/ingestions', aBody({ source: { type: 's3', path: 'bucket' } }));
    expect(response.body.detail).toBe('source.type "s3" is not available. Available now: file.');
  });

  it.each<[Method, string, string]>([
    ['get', '/ingestions/17', 'id'],
    ['put', '/ingestions/not-a-uuid', 'id'],
    ['post', `/ingestions/${NOBODY}x/run`, 'id'],
    ['get', '/runs/17', 'run_id'],
    ['get', '/runs/17/logs', 'run_id'],
  ])('an id that is no UUID: %s %s', async (method, path, name) => {
    const message = `${name} must be a UUID`;
    expectProblem(await api.call(method, path), invalid(`${message}.`), { errors: [{ path: name, message }] });
  });

  it.each(['0', '-1', '1.5', 'x', '99999999999'])('a schema version that is none: %s', async (version) => {
    const response = await api.call('get', `/ingestions/${NOBODY}/schema-versions/${version}`);
    const message = 'n must be a whole number from 1';
    expectProblem(response, invalid(`${message}.`), { errors: [{ path: 'n', message }] });
  });

  it.each([
    ['limit=0', 'limit'],
    ['limit=201', 'limit'],
    ['limit=ten', 'limit'],
    ['cursor=zzz', 'cursor'],
    ['status=provisioning', 'status'],
    ['page=2', 'page'],
    ['name=a&name=b', 'name'],
  ])('a query of %s', async (query, path) => {
    const response = await api.call('get', `/ingestions?${query}`);
    expect(response.status).toBe(400);
    expect((response.body.errors as { path: string }[]).map((error) => error.path)).toEqual([path]);
  });

  it.each<[string, object, string]>([
    ['a NUL in a name', { name: 'a\0b' }, 'name'],
    [
      'a NUL deep in open options',
      { source: { type: 'file', path: '/data/in', options: { a: [{ b: '\0' }] } } },
      'source.options.a.0.b',
    ],
    ['a NUL in a key', { source: { type: 'file', path: '/data/in', options: { '\0': 1 } } }, 'source.options'],
    ['half of a surrogate pair', { name: 'a\ud800' }, 'name'],
  ])('text that cannot be stored: %s', async (_what, fields, path) => {
    const message = `${path} holds a character that cannot be stored`;
    expectProblem(await api.call('post', '/ingestions', aBody(fields)), invalid(`${message}.`), {
      errors: [{ path, message }],
    });
  });

  it.each([
    ['objects', '{"a":'.repeat(99_999) + '1' + '}'.repeat(99_999)],
    ['lists', '['.repeat(99_999) + ']'.repeat(99_999)],
    ['101 lists', '['.repeat(101) + ']'.repeat(101)],
  ])('a body nested beyond reason: %s', async (_what, deep) => {
    const response = await api.call('post', '/ingestions', `{"name": "x", "source": ${deep}}`, (call) =>
      call.type('json'),
    );
    const message = 'source is nested deeper than 100 levels';
    expectProblem(response, invalid(`${message}.`), { errors: [{ path: 'source', message }] });
  });

  it.each([
    ...['["2026-01-01T00:00:00.000Z","------------------------------------"]', `["1","${NOBODY}"]`],
    ...[
      `["2026-01-01","${NOBODY}"]`,
      `["2026-02-31T00:00:00.000Z","${NOBODY}"]`,
      `["+002026-01-01T00:00:00.000Z","${NOBODY}"]`,
    ],
  ])('a cursor that no list has given: %s', async (key) => {
    const detail = 'cursor is not one that a list has given. Leave it out to begin with the first page.';
    const cursor = Buffer.from(key).toString('base64url');
    const response = await api.call('get', `/ingestions?cursor=${cursor}`);
    expect([response.status, response.body.detail]).toEqual([400, detail]);
  });

  it.each(['["a\\u0000b"]', '["\\ud800"]'])('a cursor for files that no list has given: %s', async (key) => {
    const { id } = (await api.call('post', '/ingestions', aBody({ name: `cursor ${key.length}` }))).body as {
      id: string;
    };
    const response = await api.call('get', `/ingestions/${id}/files?cursor=${Buffer.from(key).toString('base64url')}`);
    await api.call('delete', `/ingestions/${id}`);
    expect([response.status, response.body.code]).toEqual([400, 'VALUE_ERROR']);
  });

  it('a NUL in a query', async () => {
    const response = await api.call('get', '/ingestions?name=%00');
    expect([response.status, response.body.errors[0].path]).toEqual([400, 'name']);
  });

  it('a path that is badly encoded', async () => {
    const response = await api.call('get', '/ingestions/%FF');
    expect([response.status, response.body.code]).toEqual([400, 'BAD_REQUEST']);
  });
});

describe('what nobody foresaw', () => {
  it('is a 500 problem without internals', async () => {
    const fault = new Error('connect postgresql://sluice:hunter2@db/control');
    const spy = jest.spyOn(api.app.get(IngestionService), 'listIngestions').mockRejectedValueOnce(fault);
    const response = await api.call('get', '/ingestions');
    expectProblem(response, {
      code: 'INTERNAL_ERROR',
      status: 500,
      title: 'Internal error',
      detail:
        'Something went wrong inside Sluice. Give the request_id to whoever runs it: the log tells what happened.',
    });
    spy.mockRestore();
  });
});

describe('the request id', () => {
  it("is the caller's own when it is a plain word", async () => {
    const response = await api.call('get', '/nothing', undefined, (call) => call.set('X-Request-Id', 'order-17.a'));
    expect([response.headers['x-request-id'], response.body.request_id]).toEqual(['order-17.a', 'order-17.a']);
  });

  it.each(['two words', 'x'.repeat(129), '<script>'])('is a new one when it is %j', async (given) => {
    const response = await api.call('get', '/nothing', undefined, (call) => call.set('X-Request-Id', given));
    expect(response.body.request_id).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('stands on answers that are no problem, too', async () => {
    expect((await api.call('get', '//livez')).headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
  });
});
