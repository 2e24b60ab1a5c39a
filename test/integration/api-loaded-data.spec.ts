import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PostgresDestination } from '@sluice/connectors';
import { CONFIG, type Config } from '@sluice/kernel';
import { DueTableDrops } from '../../libs/ingestion/src/reconciler/due-table-drops';
import { TableDrops } from '../../libs/ingestion/src/table-drops';
import { expectProblem, startApi, type Api } from '../support/api';

let api: Api;
/** The same API whose destination nobody listens at. */
let cutOff: Api;
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-loaded-'));
  api = await startApi({ SLUICE_FILE_ROOTS: folder });
  cutOff = await startApi({ SLUICE_FILE_ROOTS: folder, DESTINATION_URL: 'postgresql://nobody@127.0.0.1:1/none' });
});
afterAll(async () => {
  await Promise.all([api.close(), cutOff.close()]);
  await rm(folder, { recursive: true, force: true });
});

const UUID = expect.stringMatching(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
const NOBODY = '00000000-0000-4000-8000-000000000000';
const RUN = '00000000-0000-4000-8000-000000000017';

let made = 0;
async function anIngestion(fields: object = {}, on = api): Promise<{ id: string; table: string; name: string }> {
  const [name, table] = [`loaded ${(made += 1)}`, `loaded_${made}`];
  const schedule = { frequency: 'manual' };
  const body = { name, source: { type: 'file', path: folder }, destination: { table }, schedule, ...fields };
  const response = await on.call('post', '/ingestions', body);
  expect(response.status).toBe(201);
  return { id: response.body.id as string, table, name };
}

const destination = () =>
  new PostgresDestination({ url: api.app.get<Config>(CONFIG).DESTINATION_URL, leaseSeconds: 60 });

/** A table that Sluice made, as a run leaves it, with `rows` rows. */
async function aTable(id: string, table: string, rows = 0): Promise<void> {
  const session = await destination().acquire(id, RUN);
  const name = { schema: 'public', table };
  await session?.createTable(name, [{ name: 'a', type: 'text' }], { keys: [], rescued: false });
  await session?.close();
  await api.sql(`INSERT INTO public.${table} (a, _load_id) SELECT 'x', 1 FROM generate_series(1, $1::int)`, [rows]);
}

type Mirrored = { path: string; status?: string; rows?: number; bytes?: number };
async function mirrored(id: string, files: Mirrored[]): Promise<void> {
  for (const { path, status = 'loaded', rows = 0, bytes = 10 } of files)
    await api.sql(
      `INSERT INTO sluice_control.processed_file (ingestion_id, path, version, status, rows, rejected, bytes, run_id)
       VALUES ($1, $2, 'v', $3, $4, 0, $5, $6)`,
      [id, path, status, rows, bytes, RUN],
    );
}

async function inLedger(id: string, path: string): Promise<void> {
  await api.sql(
    `INSERT INTO sluice.ledger (load_id, ingestion, path, version, fingerprint, rows, bytes, run, fence)
     VALUES (nextval('sluice.load_id'), $1, $2, 'v', 'f', 1, 10, $3, 1)`,
    [id, path, RUN],
  );
}

const valueError = (path: string, detail: string) =>
  [
    { code: 'VALUE_ERROR', status: 400, title: 'A value is wrong', detail },
    { errors: [{ path, message: detail }] },
  ] as const;
const conflict = (detail: string) => ({
  ...{ code: 'CONFLICT', status: 409, title: 'The state does not allow this now' },
  detail,
});
const unreachable = (response: { body: { detail: string } }) => ({
  ...{ code: 'DESTINATION_UNAVAILABLE', status: 503, title: 'Destination unavailable' },
  detail: response.body.detail,
});

describe.each([
  ['full', 'full', 'The table would be built anew from all files.'],
  ['new-only', 'new_only', 'The table would be built anew from the files that were never loaded; its rows would go.'],
])('POST /ingestions/{id}/refresh/%s', (route, scope, does) => {
  const refresh = (id: string, body?: object) => api.call('post', `/ingestions/${id}/refresh/${route}`, body);

  it.each([[undefined], [{}], [{ confirm: false }], [{ dry_run: false }]])(
    'wants to be confirmed (body %j)',
    async (body) => {
      const { id } = await anIngestion();
      const detail = `confirm is not true. ${does} Send {"confirm": true} to do it, or {"dry_run": true} to see how much it is.`;
      expectProblem(await refresh(id, body), ...valueError('confirm', detail));
      expect((await api.call('get', `/ingestions/${id}/runs`)).body.items).toEqual([]);
    },
  );

  it('answers 202 with the Location of a run that knows what to do', async () => {
    const { id } = await anIngestion();
    const response = await refresh(id, { confirm: true });
    expect([response.status, response.body.status]).toEqual([202, 'triggered']);
    expect(response.headers['location']).toBe(`/api/v1/runs/${response.body.run_id}`);
    const { body: run } = await api.call('get', `/runs/${response.body.run_id}`);
    expect([run.trigger, run.parameters]).toEqual(['refresh', { kind: 'refresh', scope }]);
    const again = await refresh(id, { confirm: true });
    expect([again.status, again.body.code, again.body.run_id]).toEqual([409, 'RUN_ACTIVE', run.id]);
  });

  it('answers 503 in the sentence of a trigger while Prefect cannot be used, and it will not run', async () => {
    const { id } = await anIngestion();
    await api.fake.misbehave('http_500', { route: /create_flow_run/ });
    const response = await refresh(id, { confirm: true });
    await api.fake.behave();
    expect([response.status, response.body.detail]).toEqual([
      503,
      'Orchestration service unavailable. Please try again later.',
    ]);
    expect((await api.call('get', `/ingestions/${id}/runs`)).body.items).toMatchObject([{ status: 'failed' }]);
  });

  it('answers 404 for one that does not exist', async () => {
    expect((await refresh(NOBODY, { confirm: true })).status).toBe(404);
    expect((await refresh(NOBODY, { dry_run: true })).status).toBe(404);
  });
});

describe('a dry run of a refresh', () => {
  const dry = (id: string, route: string) => api.call('post', `/ingestions/${id}/refresh/${route}`, { dry_run: true });

  it('counts what is listed, rows as the mirror knows them and the rest by their bytes', async () => {
    for (const [name, bytes] of [
      ['a.dry', 100],
      ['b.dry', 200],
      ['c.dry', 50],
    ] as const)
      await writeFile(join(folder, name), 'x'.repeat(bytes));
    const { id } = await anIngestion({ source: { type: 'file', path: folder, file_pattern: '*.dry' } });
    await mirrored(id, [
      { path: 'a.dry', rows: 10, bytes: 100 },
      { path: 'gone.dry', rows: 30, bytes: 300 },
      { path: 'b.dry', status: 'failed', bytes: 200 },
    ]);
    const full = await dry(id, 'full');
    expect([full.status, full.body]).toEqual([202, { dry_run: true, files: 3, bytes: 350, rows: 35 }]);
    expect((await dry(id, 'new-only')).body).toEqual({ dry_run: true, files: 2, bytes: 250, rows: 25 });
    expect((await api.call('get', `/ingestions/${id}/runs`)).body.items).toEqual([]);
  });

  it('counts a file whose reload failed as one that was loaded', async () => {
    await writeFile(join(folder, 'a.reload'), 'a\n1\n');
    const { id } = await anIngestion({ source: { type: 'file', path: folder, file_pattern: '*.reload' } });
    await mirrored(id, [{ path: 'a.reload', status: 'failed', rows: 1, bytes: 4 }]);
    expect((await dry(id, 'new-only')).body.files).toBe(1);
    await api.sql(`UPDATE sluice_control.processed_file SET load_id = 1 WHERE ingestion_id = $1`, [id]);
    expect((await dry(id, 'new-only')).body.files).toBe(0);
  });

  it('guesses no rows while nothing was loaded that it could go by', async () => {
    await writeFile(join(folder, 'a.first'), 'a\n1\n');
    const { id } = await anIngestion({ source: { type: 'file', path: folder, file_pattern: '*.first' } });
    expect((await dry(id, 'full')).body).toEqual({ dry_run: true, files: 1, bytes: 4, rows: null });
  });

  it('says what is wrong with the source', async () => {
    const path = join(folder, 'missing');
    const { id } = await anIngestion({ source: { type: 'file', path } });
    const detail = `The folder ${path} does not exist. Create it or correct source.path.`;
    expectProblem(await dry(id, 'full'), ...valueError('source.path', detail));
  });

  it('is refused as the refresh would be', async () => {
    const { id, table } = await anIngestion();
    const other = await anIngestion({ destination: { table } });
    const detail = `Table public.${table} is also loaded by ingestion "${other.name}" (${other.id}), whose rows would go. Delete that ingestion first, or leave the table as it is.`;
    expectProblem(await dry(id, 'full'), conflict(detail));
  });
});

describe('an ingestion that overwrites its table', () => {
  const overwriting = async () => {
    const table = `loaded_${(made += 1)}`;
    return anIngestion({ destination: { table, write_mode: 'overwrite' } });
  };

  it.each([
    ['from', { from: '2026-01-01' }],
    ['until', { until: '2026-01-01' }],
    ['path_prefix', { path_prefix: '2026/' }],
  ])('takes no %s: it is always all files', async (path, body) => {
    const { id } = await overwriting();
    const detail = 'write_mode overwrite is always all files; leave from, until and path_prefix out.';
    expectProblem(await api.call('post', `/ingestions/${id}/run`, body), ...valueError(path, detail));
    expect((await api.call('post', `/ingestions/${id}/run`)).status).toBe(202);
  });

  it.each([{ confirm: true }, { dry_run: true }])('is not built anew from new files only (%j)', async (body) => {
    const { id } = await overwriting();
    const detail =
      'write_mode overwrite is always all files, so there are none that are new only. Use refresh/full, or run it: each run builds the table anew.';
    const path = 'destination.write_mode';
    expectProblem(await api.call('post', `/ingestions/${id}/refresh/new-only`, body), ...valueError(path, detail));
    expect((await api.call('post', `/ingestions/${id}/refresh/full`, body)).status).toBe(202);
  });
});

describe('POST /ingestions/{id}/files/retry', () => {
  const retry = (id: string, body?: object) => api.call('post', `/ingestions/${id}/files/retry`, body);
  const FILES = [
    { path: 'in.csv' },
    { path: 'failed.csv', status: 'failed' },
    { path: 'quarantined.csv', status: 'quarantined' },
  ];

  it.each([
    [undefined, null],
    [{ paths: ['quarantined.csv', 'failed.csv', 'failed.csv'] }, ['quarantined.csv', 'failed.csv']],
  ])('answers 202 with a run that tries them again (body %j)', async (body, paths) => {
    const { id } = await anIngestion();
    await mirrored(id, FILES);
    const response = await retry(id, body);
    expect(response.status).toBe(202);
    expect(response.headers['location']).toBe(`/api/v1/runs/${response.body.run_id}`);
    const { body: run } = await api.call('get', `/runs/${response.body.run_id}`);
    expect([run.trigger, run.parameters]).toEqual(['retry', { kind: 'retry', paths }]);
  });

  it('answers 400 when nothing has failed', async () => {
    const { id } = await anIngestion();
    await mirrored(id, [{ path: 'in.csv' }]);
    const detail = `No file of ingestion ${id} has failed: there is nothing to try again.`;
    expectProblem(await retry(id), ...valueError('paths', detail));
  });

  it.each(['in.csv', 'nowhere.csv'])('answers 400 for %s, which has not failed', async (path) => {
    const { id } = await anIngestion();
    await mirrored(id, FILES);
    const detail = `paths "${path}" is no failed file of this ingestion. GET /api/v1/ingestions/${id}/files shows which files failed.`;
    expectProblem(await retry(id, { paths: ['failed.csv', path] }), ...valueError('paths', detail));
    expect((await api.call('get', `/ingestions/${id}/runs`)).body.items).toEqual([]);
  });

  it('answers 400 for an empty list, which says nothing', async () => {
    const { id } = await anIngestion();
    const detail = 'paths [] is empty. Leave it out to try all that failed again.';
    expectProblem(await retry(id, { paths: [] }), ...valueError('paths', detail));
  });

  it('answers 404 for an ingestion that does not exist', async () => {
    expect((await retry(NOBODY)).status).toBe(404);
  });
});

describe('DELETE /ingestions/{id}/files', () => {
  const forget = (id: string, query = '') => api.call('delete', `/ingestions/${id}/files${query}`);
  const known = async (id: string) => {
    const [ledger] = await api.sql(`SELECT count(*)::int AS n FROM sluice.ledger WHERE ingestion = $1`, [id]);
    return [ledger, (await api.call('get', `/ingestions/${id}/files`)).body.items.length];
  };

  it('forgets the history when the table is empty', async () => {
    const { id, table } = await anIngestion();
    await aTable(id, table);
    await inLedger(id, 'a.csv');
    await mirrored(id, [{ path: 'a.csv' }, { path: 'b.csv', status: 'failed' }]);
    const response = await forget(id);
    expect([response.status, response.text]).toEqual([204, '']);
    expect(await known(id)).toEqual([{ n: 0 }, 0]);
    expect((await forget(id)).status).toBe(204);
  });

  it('answers 409 when the table holds rows, unless it is confirmed', async () => {
    const { id, table } = await anIngestion();
    await aTable(id, table, 1);
    await inLedger(id, 'a.csv');
    await mirrored(id, [{ path: 'a.csv' }]);
    const detail = `Table public.${table} holds rows, and without the history the next run would load all files again beside them. Empty the table first, or add ?confirm=true.`;
    for (const query of ['', '?confirm=false']) expectProblem(await forget(id, query), conflict(detail));
    expect(await known(id)).toEqual([{ n: 1 }, 1]);
    expect((await forget(id, '?confirm=true')).status).toBe(204);
    expect(await known(id)).toEqual([{ n: 0 }, 0]);
    expect(await api.sql(`SELECT a FROM public.${table}`)).toEqual([{ a: 'x' }]);
  });

  it('answers 409 while a run is active, even while Prefect cannot be asked', async () => {
    const { id } = await anIngestion();
    const { run_id } = (await api.call('post', `/ingestions/${id}/run`)).body as { run_id: string };
    await api.fake.misbehave('http_500', { route: /flow_runs/ });
    const response = await forget(id, '?confirm=true');
    await api.fake.behave();
    expect([response.status, response.body.code, response.body.run_id]).toEqual([409, 'RUN_ACTIVE', run_id]);
    await api.call('post', `/runs/${run_id}/cancel`);
    expect((await forget(id, '?confirm=true')).status).toBe(204);
  });

  it('answers 409 while a run holds the lease, whatever its row says', async () => {
    const { id, table } = await anIngestion();
    await aTable(id, table);
    const session = await destination().acquire(id, randomUUID());
    const response = await forget(id, '?confirm=true');
    await session?.close();
    expectProblem(
      response,
      conflict(`A run of ingestion ${id} is writing. Wait for its end or cancel it, then try again.`),
    );
  });

  it('answers 503 while the destination cannot be used, and forgets nothing', async () => {
    const { id } = await anIngestion({}, cutOff);
    const response = await cutOff.call('delete', `/ingestions/${id}/files?confirm=true`);
    expectProblem(response, unreachable(response));
    expect(response.body.detail).toMatch(/^The destination could not be used: /);
    expect(response.headers['retry-after']).toBe('5');
  });

  it('takes confirm only as true or false, and answers 404 for one that does not exist', async () => {
    expect((await forget(NOBODY, '?confirm=yes')).body.detail).toBe('confirm must be true or false.');
    expect((await forget(NOBODY, '?confirm=true')).status).toBe(404);
  });
});

describe('DELETE /ingestions/{id}?drop_table=true', () => {
  const remove = (id: string, on = api) => on.call('delete', `/ingestions/${id}?drop_table=true`);
  const tables = (name: string) => api.sql(`SELECT tablename FROM pg_tables WHERE tablename = $1`, [name]);
  const due = () => api.sql(`UPDATE sluice_control.table_drop SET next_attempt_at = now()`);
  /** Whoever deletes such a row fails when it commits. */
  const refusingAtCommit = async (where: string, when: string) => {
    await api.sql(
      `CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not now'; END $$`,
    );
    await api.sql(
      `CREATE CONSTRAINT TRIGGER refuse AFTER DELETE ON ${where} DEFERRABLE INITIALLY DEFERRED
       FOR EACH ROW WHEN (${when}) EXECUTE FUNCTION public.refuse()`,
    );
    return () => api.sql(`DROP FUNCTION public.refuse() CASCADE`);
  };

  it('drops the table that Sluice made', async () => {
    const { id, table } = await anIngestion();
    await aTable(id, table, 1);
    expect((await remove(id)).status).toBe(204);
    expect(await tables(table)).toEqual([]);
    expect((await api.call('get', `/ingestions/${id}`)).status).toBe(404);
  });

  it('leaves a table that somebody else made, and none', async () => {
    const { id, table } = await anIngestion();
    await api.sql(`CREATE TABLE public.${table} (a text)`);
    expect((await remove(id)).status).toBe(204);
    expect(await tables(table)).toHaveLength(1);
    expect((await remove((await anIngestion()).id)).status).toBe(204);
  });

  it('cancels what is queued, and takes the table from what is writing', async () => {
    const { id, table } = await anIngestion();
    await aTable(id, table, 1);
    await inLedger(id, 'a.csv');
    const { flow_run_id } = (await api.call('post', `/ingestions/${id}/run`)).body as { flow_run_id: string };
    const session = await destination().acquire(id, randomUUID());
    expect((await remove(id)).status).toBe(204);
    expect(session?.lost.aborted).toBe(true);
    await session?.close();
    expect(await tables(table)).toEqual([]);
    expect(await api.sql(`SELECT path FROM sluice.ledger WHERE ingestion = $1`, [id])).toEqual([]);
    const flowRun = api.fake.flowRuns.find((it) => it.id === flow_run_id);
    expect(flowRun?.state_type ?? 'gone').toMatch(/^CANCELL|^gone$/);
  });

  it('goes through while Prefect cannot be used, though a run is writing', async () => {
    const { id, table } = await anIngestion();
    await aTable(id, table, 1);
    await api.call('post', `/ingestions/${id}/run`);
    const session = await destination().acquire(id, randomUUID());
    await api.fake.misbehave('http_500', { route: /flow_runs/ });
    expect((await remove(id)).status).toBe(204);
    await api.fake.behave();
    await session?.close();
    expect(await tables(table)).toEqual([]);
  });

  it('is not in the way of a rebuild that is asked for at the same time', async () => {
    for (let round = 0; round < 5; round += 1) {
      const { id, table } = await anIngestion();
      await aTable(id, table);
      const refresh = api.call('post', `/ingestions/${id}/refresh/full`, { confirm: true });
      const statuses = await Promise.all([remove(id), refresh].map(async (call) => (await call).status));
      expect(statuses[0]).toBe(204);
      expect([202, 404, 409]).toContain(statuses[1]);
    }
  });

  it('deletes nothing while another ingestion loads into the table', async () => {
    const { id, table } = await anIngestion();
    await aTable(id, table);
    await anIngestion({ destination: { table } });
    expect((await remove(id)).body).toMatchObject({ status: 409, code: 'CONFLICT' });
    expect([(await api.call('get', `/ingestions/${id}`)).status, await tables(table)]).toEqual([
      200,
      [{ tablename: table }],
    ]);
  });

  it('deletes nothing while the destination cannot be used', async () => {
    const { id } = await anIngestion({}, cutOff);
    const response = await remove(id, cutOff);
    expectProblem(response, unreachable(response));
    expect((await cutOff.call('get', `/ingestions/${id}`)).status).toBe(200);
    expect((await cutOff.call('delete', `/ingestions/${id}`)).status).toBe(204);
  });

  it('deletes and drops nothing when the ingestion cannot be deleted at the last moment', async () => {
    const { id, table } = await anIngestion();
    await aTable(id, table, 1);
    await inLedger(id, 'a.csv');
    const mend = await refusingAtCommit('sluice_control.ingestion', `OLD.id = '${id}'`);
    expect((await remove(id)).status).toBe(500);
    await mend();
    expect((await api.call('get', `/ingestions/${id}`)).status).toBe(200);
    expect([await tables(table), await api.sql(`SELECT path FROM sluice.ledger WHERE ingestion = $1`, [id])]).toEqual([
      [{ tablename: table }],
      [{ path: 'a.csv' }],
    ]);
    expect((await remove(id)).status).toBe(204);
  });

  it('drops the table later when the destination goes away at the last moment; until then nobody joins it', async () => {
    const { id, table } = await anIngestion();
    await aTable(id, table, 1);
    await inLedger(id, 'a.csv');
    const mend = await refusingAtCommit('sluice.ledger', `OLD.ingestion = '${id}'`);
    expect((await remove(id)).status).toBe(204);
    expect((await api.call('get', `/ingestions/${id}`)).status).toBe(404);
    const next = { name: 'joins', source: { type: 'file', path: folder }, destination: { table } };
    const refusal = await api.call('post', '/ingestions', next);
    expectProblem(
      refusal,
      conflict(`Table public.${table} is still to be dropped with a deleted ingestion. Try again in a moment.`),
    );
    const pass = () => api.app.get(DueTableDrops).run();
    expect(await pass()).toEqual([]);
    await due();
    expect(await pass()).toEqual([]);
    expect(await api.sql(`SELECT attempts FROM sluice_control.table_drop`)).toEqual([{ attempts: 1 }]);
    await mend();
    await due();
    expect(await pass()).toEqual([`Dropped table public.${table} of deleted ingestion ${id}`]);
    expect([await tables(table), await api.sql(`SELECT path FROM sluice.ledger WHERE ingestion = $1`, [id])]).toEqual([
      [],
      [],
    ]);
    expect(await api.sql(`SELECT FROM sluice_control.table_drop`)).toEqual([]);
    expect((await api.call('post', '/ingestions', next)).status).toBe(201);
  });

  /** An ingestion deleted with its table, which was not dropped; the order is due. */
  const undropped = async () => {
    const { id, table } = await anIngestion();
    await aTable(id, table, 1);
    await inLedger(id, 'a.csv');
    const mend = await refusingAtCommit('sluice.ledger', `OLD.ingestion = '${id}'`);
    await remove(id);
    await mend();
    await due();
    return { id, table };
  };

  it('does not drop the table that another has dropped since the order was read, and that is another ingestion’s now', async () => {
    const { id, table } = await undropped();
    const drops = api.app.get(TableDrops);
    const [order] = await drops.due(1);
    expect(order?.id).toBe(id);
    expect(await drops.carryOut(order!)).toBe(true);
    await aTable((await anIngestion({ destination: { table } })).id, table, 2);
    expect(await drops.carryOut(order!)).toBe(false);
    expect(await api.sql(`SELECT a FROM public.${table}`)).toEqual([{ a: 'x' }, { a: 'x' }]);
  });

  it('does not drop a table that another has dropped and somebody made anew, though no ingestion loads it', async () => {
    const { id, table } = await undropped();
    const drops = api.app.get(TableDrops);
    const [order] = await drops.due(1);
    expect(await drops.carryOut(order!)).toBe(true);
    await aTable(id, table, 1);
    expect(await drops.carryOut(order!)).toBe(false);
    expect(await tables(table)).toHaveLength(1);
  });

  it('gives the order up when the table is another ingestion’s', async () => {
    const { id, table } = await undropped();
    const other = await anIngestion();
    await api.sql(
      `UPDATE sluice_control.ingestion SET destination = destination || jsonb_build_object('table', $2::text) WHERE id = $1`,
      [other.id, table],
    );
    expect(await api.app.get(DueTableDrops).run()).toEqual([]);
    expect([await tables(table), await api.sql(`SELECT FROM sluice_control.table_drop`)]).toEqual([
      [{ tablename: table }],
      [],
    ]);
    expect(await api.sql(`SELECT path FROM sluice.ledger WHERE ingestion = $1`, [id])).toEqual([{ path: 'a.csv' }]);
  });

  it('deletes nothing when something depends on the table', async () => {
    const { id, table } = await anIngestion();
    await aTable(id, table);
    await api.sql(`CREATE VIEW public.${table}_view AS SELECT a FROM public.${table}`);
    const response = await remove(id);
    expect([response.status, response.body.code]).toEqual([503, 'DESTINATION_UNAVAILABLE']);
    expect(response.body.detail).toContain(`${table}_view`);
    expect((await api.call('get', `/ingestions/${id}`)).status).toBe(200);
  });
});

describe('rejected rows', () => {
  let id: string;
  let runId: string;
  beforeAll(async () => {
    const ingestion = await anIngestion();
    id = ingestion.id;
    runId = (await api.call('post', `/ingestions/${id}/run`)).body.run_id as string;
    await aTable(id, ingestion.table);
    for (const [path, line, run] of [
      ['a.csv', 2, runId],
      ['a.csv', 5, runId],
      ['b.csv', null, RUN],
    ] as const)
      await api.sql(
        `INSERT INTO sluice.rejected_row (load_id, ingestion, path, record, line, column_name, error_type, reason, raw, run)
         VALUES (1, $1, $2, 1, $3, 'n', 'type_mismatch', '"x" is no number.', '1,x', $4)`,
        [id, path, line, run],
      );
  });
  const lines = (body: { items: { path: string; line: number | null }[] }) =>
    body.items.map(({ path, line }) => [path, line]);

  it('are shown whole, oldest first, page by page', async () => {
    const page = await api.call('get', `/ingestions/${id}/rejected-rows?limit=2`);
    expect(page.body.items[0]).toEqual({
      ...{ run_id: runId, path: 'a.csv', member: null, record: 1, line: 2, column: 'n' },
      ...{ error_type: 'type_mismatch', reason: '"x" is no number.', raw: '1,x' },
    });
    expect(lines(page.body)).toEqual([
      ['a.csv', 2],
      ['a.csv', 5],
    ]);
    const next = await api.call('get', `/ingestions/${id}/rejected-rows?limit=2&cursor=${page.body.next_cursor}`);
    expect([lines(next.body), next.body.next_cursor]).toEqual([[['b.csv', null]], null]);
    expect(next.body.items[0].run_id).toEqual(UUID);
  });

  it.each([
    [() => `run_id=${runId}`, 2],
    [() => 'path=b.csv', 1],
    [() => `run_id=${runId}&path=b.csv`, 0],
  ])('can be asked for by run and by file (%#)', async (query, count) => {
    const { body } = await api.call('get', `/ingestions/${id}/rejected-rows?${query()}`);
    expect(body.items).toHaveLength(count);
  });

  it('of one run are found at the run', async () => {
    expect(lines((await api.call('get', `/runs/${runId}/rejected-rows`)).body)).toEqual([
      ['a.csv', 2],
      ['a.csv', 5],
    ]);
    expect((await api.call('get', `/runs/${NOBODY}/rejected-rows`)).status).toBe(404);
  });

  it('are none before anything was loaded, and 404 without an ingestion', async () => {
    const { id: fresh } = await anIngestion();
    const { body } = await api.call('get', `/ingestions/${fresh}/rejected-rows`);
    expect(body).toEqual({ items: [], next_cursor: null });
    expect((await api.call('get', `/ingestions/${NOBODY}/rejected-rows`)).status).toBe(404);
  });

  it.each(['run_id=17', 'cursor=zzz', 'limit=0', 'line=3'])('refuse a query of %s', async (query) => {
    expect((await api.call('get', `/ingestions/${id}/rejected-rows?${query}`)).status).toBe(400);
  });

  it('are 503 while the destination cannot be used', async () => {
    const { id: other } = await anIngestion({}, cutOff);
    const response = await cutOff.call('get', `/ingestions/${other}/rejected-rows`);
    expectProblem(response, unreachable(response));
  });
});
