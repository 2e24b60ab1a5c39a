import { expectProblem, startApi, type Api } from '../support/api';
import { CREATE_EXAMPLE } from '../../apps/api/src/ingestions/ingestion.bodies';

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.close());

const UUID = expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const DAILY = { frequency: 'daily', time: '06:00' };

const EVERYTHING = {
  format: {
    type: 'csv',
    options: {
      ...{ delimiter: ';', quote: '"', escape: '"', header: true, skip_lines: 1, encoding: 'windows-1252' },
      ...{ null_values: ['n/a'], decimal: ',', date_format: 'DD.MM.YYYY', timestamp_format: 'DD.MM.YYYY HH:mm' },
    },
  },
  schema: {
    ...{ columns: { zip: 'varchar', 'Trip Id': 'int8' }, all_text: false },
    ...{ mode: 'given', locked: true, drop_removed: true },
  },
  on_schema_change: 'sync_all_columns',
  changed_files: 'reload',
  destination: { table: 'everything', write_mode: 'merge', merge_keys: ['trip_id'] },
  quality: {
    ...{ on_error: 'skip_rows', max_rejected_rows: '5%', min_rows: 1 },
    ...{ max_drop_percent: 12.5, max_age_seconds: null },
  },
};

let made = 0;
const aBody = (fields: object = {}) => ({
  name: `trips ${(made += 1)}`,
  source: { type: 'file', path: '/data/in' },
  destination: { table: 'trips' },
  ...fields,
});
const created = async (fields: object = {}) => {
  const response = await api.call('post', '/ingestions', aBody(fields));
  expect(response.status).toBe(201);
  return response.body as { id: string; name: string };
};

describe('POST /ingestions', () => {
  it('answers 201 with the whole ingestion, its defaults and its Location', async () => {
    const response = await api.call('post', '/ingestions', aBody({ name: 'whole', schedule: DAILY }));
    expect(response.status).toBe(201);
    expect(response.headers['location']).toBe(`/api/v1/ingestions/${response.body.id}`);
    expect(response.body).toEqual({
      id: UUID,
      name: 'whole',
      status: 'active',
      source: { type: 'file', path: '/data/in', file_pattern: '*', options: {}, credentials: [] },
      format: { type: 'auto', options: {} },
      destination: { schema: 'public', table: 'trips', write_mode: 'append', merge_keys: [] },
      schedule: {
        ...DAILY,
        day_of_week: 0,
        day_of_month: 1,
        timezone: 'UTC',
        cron_expression: null,
        overlap_policy: 'skip',
        missed_runs: 'latest',
      },
      schema: { columns: {}, all_text: false, mode: 'infer', locked: false, drop_removed: false },
      on_schema_change: 'append_new_columns',
      changed_files: 'skip',
      quality: {
        on_error: 'fail_file',
        max_rejected_rows: 0,
        min_rows: null,
        max_drop_percent: null,
        max_age_seconds: null,
      },
      prefect_deployment_id: UUID,
      error_reason: null,
      metadata: {
        last_run_id: null,
        last_run_time: null,
        last_run_status: null,
        next_run_time: TIME,
        schema_version: 0,
        consecutive_failures: 0,
        freshness: { status: 'unwatched', fresh_at: TIME, stale_since: null, max_age_seconds: null },
      },
      counters: { missed: 0, superseded: 0, overlap_skipped: 0 },
      created_at: TIME,
      updated_at: TIME,
    });
    const shown = await api.call('get', `/ingestions/${response.body.id}`);
    expect(shown.body).toEqual(response.body);
  });

  it.each([[{}], [{ schedule: null }]])('makes a draft without a deployment from %j', async (fields) => {
    const { body } = await api.call('post', '/ingestions', aBody(fields));
    expect([body.status, body.schedule, body.prefect_deployment_id]).toEqual(['draft', null, null]);
  });

  it('takes the example body of the documentation as it stands', async () => {
    const embedded = await startApi({ SLUICE_FILE_ROOTS: './data' });
    try {
      const response = await embedded.call('post', '/ingestions', CREATE_EXAMPLE);
      expect([response.status, response.body.status]).toEqual([201, 'active']);
    } finally {
      await embedded.close();
    }
  });

  it('takes back what an answer showed', async () => {
    const first = await api.call('post', '/ingestions', aBody({ schedule: DAILY, ...EVERYTHING }));
    expect(first.status).toBe(201);
    const { format, schema, schedule, quality, on_schema_change, changed_files } = first.body;
    const body = { format, schema, schedule, quality, on_schema_change, changed_files };
    const again = await api.call('put', `/ingestions/${first.body.id}`, body);
    expect(again.status).toBe(200);
    expect(again.body).toMatchObject(body);
  });

  it('shows all that was said of format, schema, writing and quality', async () => {
    const { body } = await api.call('post', '/ingestions', aBody(EVERYTHING));
    expect(body).toMatchObject({
      ...EVERYTHING,
      schema: { ...EVERYTHING.schema, columns: { zip: 'character varying', 'Trip Id': 'bigint' } },
      destination: { schema: 'public', ...EVERYTHING.destination },
    });
    const changes = { schema: { all_text: true }, changed_files: 'fail', on_schema_change: 'rescue' };
    const changed = await api.call('patch', `/ingestions/${body.id}`, changes);
    expect(changed.body).toMatchObject({
      schema: { columns: {}, all_text: true, mode: 'infer', locked: false, drop_removed: false },
      changed_files: 'fail',
      on_schema_change: 'rescue',
      format: EVERYTHING.format,
    });
  });

  it('refuses given columns without a merge key, also when they are changed', async () => {
    const destination = { table: 'merged', write_mode: 'merge', merge_keys: ['id'] };
    const { body } = await api.call('post', '/ingestions', aBody({ destination }));
    const schema = { mode: 'given', columns: { name: 'text' } };
    const response = await api.call('put', `/ingestions/${body.id}`, { schema });
    const message = 'destination.merge_keys "id" is no column of schema.columns. Known there: name.';
    expect([response.status, response.body.errors]).toEqual([400, [{ path: 'destination.merge_keys', message }]]);
    expect((await api.call('get', `/ingestions/${body.id}`)).body.schema.mode).toBe('infer');
  });

  it('never shows credentials, only which keys are set', async () => {
    const source = { type: 'file', path: '/data/in', credentials: { token: 'hunter2', account: 'sluice-17' } };
    const response = await api.call('post', '/ingestions', aBody({ source }));
    expect(response.body.source.credentials).toEqual(['account', 'token']);
    const { id } = response.body as { id: string };
    const answers = [
      response,
      await api.call('get', `/ingestions/${id}`),
      await api.call('get', '/ingestions'),
      await api.call('patch', `/ingestions/${id}`, { source: { credentials: { token: 'hunter3' } } }),
      await api.call('patch', `/ingestions/${id}`, { source: { credentials: { token: { hunter3: 1 } } } }),
    ];
    expect(answers.map(({ status }) => status)).toEqual([201, 200, 200, 200, 400]);
    expect(answers.map(({ text }) => text).join()).not.toMatch(/hunter|sluice-17/);
  });

  it('answers 409 when the name is taken', async () => {
    const { name } = await created();
    expectProblem(await api.call('post', '/ingestions', aBody({ name })), {
      code: 'NAME_TAKEN',
      status: 409,
      title: 'The name is taken',
      detail: `An ingestion named "${name}" exists already. Choose another name.`,
    });
  });

  it('answers the first ingestion to a repeated Idempotency-Key, and 409 to another body', async () => {
    const body = aBody();
    const post = (it: object) => api.call('post', '/ingestions', it, (call) => call.set('Idempotency-Key', 'order 17'));
    const [first, again, other] = [await post(body), await post(body), await post(aBody())];
    expect([first.status, again.status, again.body.id]).toEqual([201, 201, first.body.id]);
    expectProblem(other, {
      code: 'CONFLICT',
      status: 409,
      title: 'The state does not allow this now',
      detail: 'Idempotency-Key "order 17" came with another body before. Choose a new key.',
    });
  });

  it.each(['', 'x'.repeat(256)])('refuses the Idempotency-Key %j', async (key) => {
    const response = await api.call('post', '/ingestions', aBody(), (call) => call.set('Idempotency-Key', key));
    expect([response.status, response.body.errors[0].path]).toEqual([400, 'Idempotency-Key']);
  });
});

describe.each(['put', 'patch'] as const)('%s /ingestions/{id}', (method) => {
  it('changes what is given and keeps the rest', async () => {
    const before = (await api.call('post', '/ingestions', aBody({ schedule: DAILY }))).body;
    const changes = { name: `renamed by ${method}`, on_schema_change: 'fail' };
    const response = await api.call(method, `/ingestions/${before.id}`, changes);
    expect(response.status).toBe(200);
    expect(response.body).toEqual({ ...before, ...changes, updated_at: TIME });
  });

  it('makes the deployment with the first schedule and removes it with null', async () => {
    const { id } = await created();
    const scheduled = await api.call(method, `/ingestions/${id}`, { schedule: DAILY });
    expect([scheduled.status, scheduled.body.status]).toEqual([200, 'active']);
    const without = await api.call(method, `/ingestions/${id}`, { schedule: null });
    expect([without.status, without.body.status, without.body.prefect_deployment_id]).toEqual([200, 'draft', null]);
  });

  it.each([
    ['destination', { destination: { table: 'other' } }, 'destination'],
    ['source.path', { source: { path: '/data/other' } }, 'source.path'],
    ['id', { id: 'x' }, 'id'],
  ])('refuses %s, which cannot be changed', async (_field, body, path) => {
    const { id } = await created();
    const response = await api.call(method, `/ingestions/${id}`, body);
    expect([response.status, response.body.errors]).toEqual([400, [{ path, message: `${path} is not a known field` }]]);
  });
});

describe('what does not exist', () => {
  const NOBODY = '00000000-0000-4000-8000-000000000000';

  it.each([
    ['get', ''],
    ['put', ''],
    ['patch', ''],
    ['delete', ''],
    ['post', '/run'],
    ['post', '/pause'],
    ['post', '/resume'],
    ['get', '/runs'],
    ['get', '/files'],
    ['get', '/schema-versions'],
    ['get', '/schema-versions/1'],
  ] as const)('is 404 for %s /ingestions/{id}%s', async (method, tail) => {
    const body = method === 'put' || method === 'patch' ? {} : undefined;
    expectProblem(await api.call(method, `/ingestions/${NOBODY}${tail}`, body), {
      code: 'INGESTION_NOT_FOUND',
      status: 404,
      title: 'No such ingestion',
      detail: `Ingestion ${NOBODY} does not exist. List the existing ones with GET /api/v1/ingestions.`,
    });
  });
});

describe('pause and resume', () => {
  it('answer the ingestion as it is now, any number of times', async () => {
    const { id } = await created({ schedule: DAILY });
    for (const [operation, status] of [
      ['pause', 'paused'],
      ['pause', 'paused'],
      ['resume', 'active'],
      ['resume', 'active'],
    ]) {
      const response = await api.call('post', `/ingestions/${id}/${operation}`);
      expect([response.status, response.body.status]).toEqual([200, status]);
      expect(api.fake.deployments.find((it) => it.name === `ingestion-${id}`)?.paused).toBe(status === 'paused');
    }
  });
});

describe('DELETE /ingestions/{id}', () => {
  it('answers 204 without a body, then 404', async () => {
    const { id } = await created({ schedule: DAILY });
    const response = await api.call('delete', `/ingestions/${id}`);
    expect([response.status, response.text]).toEqual([204, '']);
    expect((await api.call('delete', `/ingestions/${id}`)).status).toBe(404);
  });

  it('takes drop_table only as true or false', async () => {
    const { id } = await created();
    const response = await api.call('delete', `/ingestions/${id}?drop_table=yes`);
    expect([response.status, response.body.detail]).toEqual([400, 'drop_table must be true or false.']);
    expect((await api.call('get', `/ingestions/${id}`)).status).toBe(200);
    expect((await api.call('delete', `/ingestions/${id}?drop_table=false`)).status).toBe(204);
  });
});

describe('GET /ingestions', () => {
  let listed: Api;
  beforeAll(async () => {
    listed = await startApi();
    for (const name of ['one', 'two', 'three', 'four', 'five']) {
      const body = { ...aBody({ name }), ...(name === 'two' ? { schedule: DAILY } : {}) };
      expect((await listed.call('post', '/ingestions', body)).status).toBe(201);
    }
  });
  afterAll(() => listed.close());
  const names = (response: { body: { items: { name: string }[] } }) => response.body.items.map(({ name }) => name);

  it('gives every ingestion once, newest first, page by page', async () => {
    const pages: string[][] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const query: string = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`;
      const page = await listed.call('get', `/ingestions?limit=2${query}`);
      pages.push(names(page));
      cursor = page.body.next_cursor as string | null;
    }
    expect(pages).toEqual([['five', 'four'], ['three', 'two'], ['one']]);
  });

  it('filters by status and by the whole name', async () => {
    expect(names(await listed.call('get', '/ingestions?status=active'))).toEqual(['two']);
    expect(names(await listed.call('get', '/ingestions?name=three'))).toEqual(['three']);
    expect(names(await listed.call('get', '/ingestions?name=thre'))).toEqual([]);
  });

  it('answers an empty page with a null cursor', async () => {
    expect((await listed.call('get', '/ingestions?status=error')).body).toEqual({ items: [], next_cursor: null });
  });
});
