import { expectProblem, startApi, type Api } from '../support/api';

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.close());

const NOBODY = '00000000-0000-4000-8000-000000000000';
const UUID = expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
const NOTHING = {
  ...{ files_discovered: 0, files_processed: 0, files_failed: 0 },
  ...{ rows_ingested: 0, rows_rejected: 0, bytes_read: 0, duration_ms: 0 },
};

let made = 0;
async function anIngestion(fields: object = { schedule: { frequency: 'manual' } }): Promise<string> {
  const body = {
    name: `trips ${(made += 1)}`,
    source: { type: 'file', path: '/data/in' },
    destination: { table: 'trips' },
    ...fields,
  };
  return (await api.call('post', '/ingestions', body)).body.id as string;
}

async function aRun(id: string): Promise<{ run_id: string; flow_run_id: string }> {
  const response = await api.call('post', `/ingestions/${id}/run`);
  expect(response.status).toBe(202);
  return response.body as { run_id: string; flow_run_id: string };
}

const notFound = (id: string) => ({
  ...{ code: 'RUN_NOT_FOUND', status: 404, title: 'No such run' },
  detail: `Run ${id} does not exist. List the runs of an ingestion with GET /api/v1/ingestions/{id}/runs.`,
});

describe('POST /ingestions/{id}/run', () => {
  it.each([[undefined], [{}]])('answers 202 in these words, with the Location of the run (body %j)', async (body) => {
    const id = await anIngestion();
    const response = await api.call('post', `/ingestions/${id}/run`, body);
    expect(response.status).toBe(202);
    expect(response.body).toEqual({
      status: 'triggered',
      method: 'prefect',
      flow_run_id: UUID,
      run_id: UUID,
      message: 'Ingestion run triggered via Prefect',
    });
    expect(response.headers['location']).toBe(`/api/v1/runs/${response.body.run_id}`);
    expect(api.fake.flowRuns.find(({ id: it }) => it === response.body.flow_run_id)?.parameters).toMatchObject({
      ingestion_id: id,
    });
  });

  it('answers a repeated Idempotency-Key with the same body and Location, and 409 to another body', async () => {
    const id = await anIngestion();
    const post = (body: object) =>
      api.call('post', `/ingestions/${id}/run`, body, (call) => call.set('Idempotency-Key', 'run 17'));
    const [first, again, other] = [await post({}), await post({}), await post({ path_prefix: 'a/' })];
    expect([again.status, again.body, again.headers['location']]).toEqual([202, first.body, first.headers['location']]);
    expectProblem(other, {
      code: 'CONFLICT',
      status: 409,
      title: 'The state does not allow this now',
      detail: 'Idempotency-Key "run 17" came with another body before. Choose a new key.',
    });
  });

  it('answers 400 without a deployment', async () => {
    const id = await anIngestion({});
    const detail = `Ingestion ${id} does not have a deployment. Please configure a schedule to enable execution.`;
    expectProblem(
      await api.call('post', `/ingestions/${id}/run`),
      { code: 'VALUE_ERROR', status: 400, title: 'A value is wrong', detail },
      { errors: [{ path: 'schedule', message: detail }] },
    );
  });

  it('answers 409 with the run that is active', async () => {
    const id = await anIngestion();
    const { run_id } = await aRun(id);
    expectProblem(
      await api.call('post', `/ingestions/${id}/run`),
      {
        code: 'RUN_ACTIVE',
        status: 409,
        title: 'A run is active',
        detail: `Run ${run_id} of this ingestion is still active. Wait for its end or cancel it with POST /api/v1/runs/${run_id}/cancel.`,
      },
      { run_id },
    );
  });

  it('keeps what the run is to look at with the run, and gives Prefect ids only', async () => {
    const id = await anIngestion();
    const window = { from: '2026-01-31', until: '2026-02-01T00:00:00+01:00', path_prefix: '2026/' };
    const { body } = await api.call('post', `/ingestions/${id}/run`, window);
    expect((await api.call('get', `/runs/${body.run_id}`)).body.parameters).toEqual({
      kind: 'load',
      from: '2026-01-31T00:00:00.000Z',
      until: '2026-01-31T23:00:00.000Z',
      path_prefix: '2026/',
    });
    const flowRun = api.fake.flowRuns.find((it) => it.id === body.flow_run_id);
    expect(flowRun?.parameters).toEqual({ ingestion_id: id, run_id: body.run_id });
  });

  it.each([
    [{ from: 'yesterday' }, 'from'],
    [{ until: '2026-02-30' }, 'until'],
    [{ path_prefix: '/etc' }, 'path_prefix'],
  ])('refuses %j and starts nothing', async (body, path) => {
    const id = await anIngestion();
    const response = await api.call('post', `/ingestions/${id}/run`, body);
    expect([response.status, response.body.code, response.body.errors[0].path]).toEqual([400, 'VALUE_ERROR', path]);
    expect((await api.call('get', `/ingestions/${id}/runs`)).body.items).toEqual([]);
  });

  it('runs a paused ingestion', async () => {
    const id = await anIngestion();
    await api.call('post', `/ingestions/${id}/pause`);
    expect((await api.call('post', `/ingestions/${id}/run`)).status).toBe(202);
  });
});

describe('a run', () => {
  it('is shown whole, alone and in the list, newest first', async () => {
    const id = await anIngestion();
    const first = await aRun(id);
    await api.call('post', `/runs/${first.run_id}/cancel`);
    const second = await aRun(id);
    const { body: run } = await api.call('get', `/runs/${second.run_id}`);
    expect(run).toEqual({
      id: second.run_id,
      ingestion_id: id,
      flow_run_id: second.flow_run_id,
      trigger: 'manual',
      planned_at: null,
      parameters: { kind: 'load', from: null, until: null, path_prefix: null },
      retry_of: null,
      cancel: null,
      status: 'queued',
      created_at: TIME,
      started_at: null,
      ended_at: null,
      metrics: NOTHING,
      errors: [],
    });
    const page = await api.call('get', `/ingestions/${id}/runs?limit=1`);
    expect(page.body.items).toEqual([run]);
    const next = await api.call('get', `/ingestions/${id}/runs?limit=1&cursor=${page.body.next_cursor}`);
    expect([next.body.items[0].id, next.body.next_cursor]).toEqual([first.run_id, null]);
    const { metadata } = (await api.call('get', `/ingestions/${id}`)).body;
    expect([metadata.last_run_id, metadata.last_run_status]).toEqual([second.run_id, 'queued']);
  });

  it('shows its metrics and errors, and nothing else of its row', async () => {
    const { run_id } = await aRun(await anIngestion());
    const error = {
      file: 'a.csv',
      line: 3,
      column: 'id',
      error_type: 'BadRow',
      message: 'no number',
      retryable: false,
    };
    const metrics = { ...NOTHING, files_discovered: 1, files_failed: 1, duration_ms: 12 };
    await api.sql(
      `UPDATE sluice_control.run SET status = 'failed', started_at = now(), ended_at = now(), metrics = $2, errors = $3,
       executor = gen_random_uuid() WHERE id = $1`,
      [run_id, JSON.stringify({ ...metrics, secret: 1 }), JSON.stringify([{ ...error, stack: 'at x' }])],
    );
    const { body } = await api.call('get', `/runs/${run_id}`);
    expect(body).toMatchObject({ status: 'failed', started_at: TIME, ended_at: TIME });
    expect([body.metrics, body.errors]).toEqual([metrics, [error]]);
    expect(body).not.toHaveProperty('executor');
  });

  it('is cancelled once: 202 with its Location, then 409', async () => {
    const { run_id } = await aRun(await anIngestion());
    const response = await api.call('post', `/runs/${run_id}/cancel`);
    expect([response.status, response.body.status]).toEqual([202, 'cancelled']);
    expect(response.headers['location']).toBe(`/api/v1/runs/${run_id}`);
    const again = await api.call('post', `/runs/${run_id}/cancel`);
    expect([again.status, again.body.code]).toEqual([409, 'CONFLICT']);
  });

  it('says since when it is to be cancelled, and why it has not ended', async () => {
    const { run_id } = await aRun(await anIngestion());
    const ask = (silence: number) =>
      api.sql(
        `UPDATE sluice_control.run SET status = 'running', executor = gen_random_uuid(), started_at = now(), cancel_requested_at = now(),
         heartbeat_at = now() - make_interval(secs => $2) WHERE id = $1`,
        [run_id, silence],
      );
    await ask(3);
    expect((await api.call('get', `/runs/${run_id}`)).body.cancel).toEqual({
      requested_at: TIME,
      pending_because: expect.stringContaining('Its process lives and is rolling back'),
    });
    await ask(33);
    const { cancel } = (await api.call('get', `/runs/${run_id}`)).body;
    expect(cancel.pending_because).toContain('has not been heard of for 33 s');
    await api.sql(`UPDATE sluice_control.run SET status = 'cancelled', ended_at = now() WHERE id = $1`, [run_id]);
    expect((await api.call('get', `/runs/${run_id}`)).body.cancel).toEqual({
      requested_at: TIME,
      pending_because: null,
    });
  });

  it.each([
    ['get', ''],
    ['post', '/cancel'],
    ['post', '/retry'],
    ['get', '/logs'],
  ] as const)('that does not exist is 404: %s /runs/{run_id}%s', async (method, tail) => {
    expectProblem(await api.call(method, `/runs/${NOBODY}${tail}`), notFound(NOBODY));
  });
});

describe('POST /runs/{run_id}/retry', () => {
  const end = (id: string) =>
    api.sql(`UPDATE sluice_control.run SET status = 'failed', ended_at = now() WHERE id = $1`, [id]);

  it('does the same once more: 202 with the Location of the new run', async () => {
    const id = await anIngestion();
    const { body: first } = await api.call('post', `/ingestions/${id}/run`, { path_prefix: '2026/' });
    await end(first.run_id);
    const response = await api.call('post', `/runs/${first.run_id}/retry`);
    expect([response.status, response.body.status]).toEqual([202, 'triggered']);
    expect(response.headers['location']).toBe(`/api/v1/runs/${response.body.run_id}`);
    expect((await api.call('get', `/runs/${response.body.run_id}`)).body).toMatchObject({
      trigger: 'retry',
      retry_of: first.run_id,
      parameters: { kind: 'load', path_prefix: '2026/' },
      status: 'queued',
    });
  });

  it('makes one run for one Idempotency-Key, also when its first answer was lost', async () => {
    const id = await anIngestion();
    const { body: first } = await api.call('post', `/ingestions/${id}/run`);
    await end(first.run_id);
    const path = `/runs/${first.run_id}/retry`;
    const again = () => api.call('post', path, undefined, (call) => call.set('Idempotency-Key', 'k'));
    const { body: made } = await again();
    expect(await again()).toMatchObject({ status: 202, body: made });
    await end(made.run_id);
    expect(await again()).toMatchObject({ status: 202, body: made });
    expect((await api.call('post', path)).body.run_id).not.toBe(made.run_id);
  });

  it('answers 409 while it has not ended, and while another run is active, naming that one', async () => {
    const id = await anIngestion();
    const first = await aRun(id);
    const early = await api.call('post', `/runs/${first.run_id}/retry`);
    expect([early.status, early.body.code, early.body.run_id]).toEqual([409, 'RUN_ACTIVE', first.run_id]);
    await end(first.run_id);
    const second = await aRun(id);
    const other = await api.call('post', `/runs/${first.run_id}/retry`);
    expect([other.status, other.body.code, other.body.run_id]).toEqual([409, 'RUN_ACTIVE', second.run_id]);
  });

  it('answers 400 without a deployment', async () => {
    const id = await anIngestion();
    const { run_id } = await aRun(id);
    await end(run_id);
    await api.call('patch', `/ingestions/${id}`, { schedule: null });
    const response = await api.call('post', `/runs/${run_id}/retry`);
    expect([response.status, response.body.detail]).toEqual([
      400,
      `Ingestion ${id} does not have a deployment. Please configure a schedule to enable execution.`,
    ]);
  });

  it('answers 503 while Prefect cannot be used: the new run will not run', async () => {
    const { run_id } = await aRun(await anIngestion());
    await end(run_id);
    await api.fake.misbehave('http_500', { route: /create_flow_run/ });
    const response = await api.call('post', `/runs/${run_id}/retry`);
    expect([response.status, response.body.detail]).toEqual([
      503,
      'Orchestration service unavailable. Please try again later.',
    ]);
    await api.fake.behave();
    expect(await api.sql('SELECT status FROM sluice_control.run WHERE retry_of = $1', [run_id])).toEqual([
      { status: 'failed' },
    ]);
  });

  it('never builds a table anew whose rows are no longer its own alone', async () => {
    const joined = { schedule: { frequency: 'manual' }, destination: { table: 'joined' } };
    const id = await anIngestion(joined);
    const { body: started } = await api.call('post', `/ingestions/${id}/refresh/full`, { confirm: true });
    await end(started.run_id);
    await anIngestion(joined);
    const response = await api.call('post', `/runs/${started.run_id}/retry`);
    expect([response.status, response.body.code]).toEqual([409, 'CONFLICT']);
    expect(response.body.detail).toContain('is also loaded by ingestion');
  });
});

describe('GET /runs/{run_id}/logs', () => {
  it('gives the lines of Prefect, oldest first, page by page', async () => {
    const { run_id, flow_run_id } = await aRun(await anIngestion());
    for (const [index, message] of ['one', 'two', 'three'].entries()) {
      const timestamp = new Date(Date.UTC(2026, 0, 1, 0, 0, index)).toISOString();
      api.fake.logs.push({ id: `log-${index}`, flow_run_id, level: 20, message, timestamp, name: 'sluice' });
    }
    const page = await api.call('get', `/runs/${run_id}/logs?limit=2`);
    expect(page.body.items).toEqual([
      { at: '2026-01-01T00:00:00.000Z', level: 'info', message: 'one' },
      { at: '2026-01-01T00:00:01.000Z', level: 'info', message: 'two' },
    ]);
    const next = await api.call('get', `/runs/${run_id}/logs?limit=2&cursor=${page.body.next_cursor}`);
    expect(next.body).toMatchObject({ items: [{ message: 'three' }], next_cursor: null });
  });

  it('answers 503 while Prefect cannot be used', async () => {
    const { run_id } = await aRun(await anIngestion());
    await api.fake.misbehave('http_500', { route: /logs/ });
    const response = await api.call('get', `/runs/${run_id}/logs`);
    await api.fake.behave();
    expectProblem(
      response,
      {
        code: 'ORCHESTRATION_UNAVAILABLE',
        status: 503,
        title: 'Orchestration service unavailable',
        detail: 'Cannot read logs: Orchestration service unavailable',
      },
      { reason: 'http_5xx' },
    );
  });
});

describe('what runs leave behind', () => {
  let id: string;
  beforeAll(async () => {
    id = await anIngestion();
    const { run_id } = await aRun(id);
    const error = {
      file: 'b.csv',
      line: 3,
      column: 'id',
      error_type: 'BadRow',
      message: 'no number',
      retryable: false,
    };
    await api.sql(
      `INSERT INTO sluice_control.processed_file (ingestion_id, path, version, status, rows, rejected, bytes, first_error, load_id, run_id, first_seen_at, processed_at)
       VALUES ($1, 'a.csv', 'v1', 'loaded', 1000, 0, 9007199254740991, NULL, 17, $2, now(), now()),
              ($1, 'b.csv', 'v2', 'failed', 0, 1, 20, $3, NULL, $2, now(), now())`,
      [id, run_id, JSON.stringify(error)],
    );
    await api.sql(
      `UPDATE sluice_control.processed_file SET attempts = 2, next_attempt_at = '2026-01-01T00:00:00Z' WHERE path = 'b.csv'`,
    );
    await api.sql(
      `INSERT INTO sluice_control.schema_version (ingestion_id, version, columns, changes, dialect, file, created_at)
       VALUES ($1, 1, $2, $3, '{"delimiter": ";"}', 'a.csv', now())`,
      [
        id,
        JSON.stringify([
          { source: 'Id', name: 'id', type: 'bigint' },
          { source: 'Tags', name: 'tags', type: 'jsonb', fields: ['a.b'], locked: true },
        ]),
        JSON.stringify([
          { kind: 'added', column: 'tags', type: 'jsonb' },
          { kind: 'widened', column: 'id', type: 'bigint', before: 'integer' },
        ]),
      ],
    );
  });

  it('is its files, by path, page by page, without the keys of the ledger', async () => {
    const page = await api.call('get', `/ingestions/${id}/files?limit=1`);
    expect(page.body.items).toEqual([
      {
        ...{ path: 'a.csv', version: 'v1', status: 'loaded', rows: 1000, rejected: 0, bytes: 9007199254740991 },
        ...{ attempts: 0, next_attempt_at: null },
        ...{ first_error: null, run_id: UUID, first_seen_at: TIME, processed_at: TIME },
      },
    ]);
    const next = await api.call('get', `/ingestions/${id}/files?limit=1&cursor=${page.body.next_cursor}`);
    expect(next.body.items).toMatchObject([
      { path: 'b.csv', status: 'failed', attempts: 2, next_attempt_at: '2026-01-01T00:00:00.000Z' },
    ]);
    expect(next.body.items).toMatchObject([{ first_error: { line: 3, column: 'id', message: 'no number' } }]);
  });

  it('is its schema versions, without the reader’s facts', async () => {
    const version = {
      version: 1,
      columns: [
        { source: 'Id', name: 'id', type: 'bigint', fields: [], locked: false },
        { source: 'Tags', name: 'tags', type: 'jsonb', fields: ['a.b'], locked: true },
      ],
      changes: [
        { kind: 'added', column: 'tags', type: 'jsonb', before: null },
        { kind: 'widened', column: 'id', type: 'bigint', before: 'integer' },
      ],
      file: 'a.csv',
      created_at: TIME,
    };
    expect((await api.call('get', `/ingestions/${id}/schema-versions`)).body).toEqual({
      items: [version],
      next_cursor: null,
    });
    expect((await api.call('get', `/ingestions/${id}/schema-versions/1`)).body).toEqual(version);
    expectProblem(await api.call('get', `/ingestions/${id}/schema-versions/2`), {
      code: 'SCHEMA_VERSION_NOT_FOUND',
      status: 404,
      title: 'No such schema version',
      detail: `Ingestion ${id} has no schema version 2.`,
    });
  });
});
