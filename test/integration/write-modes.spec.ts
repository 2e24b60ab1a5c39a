import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunParameters } from '@sluice/ingestion';
import { dataPlane, type OrderOverrides, type Plane } from '../support/data-plane';

let plane: Plane;
beforeAll(async () => {
  plane = await dataPlane();
});
beforeEach(() => plane.clean());
afterAll(() => plane.close());

const MERGE: OrderOverrides = { write_mode: 'merge', merge_keys: ['id'] };
const OVERWRITE: OrderOverrides = { write_mode: 'overwrite' };

async function table(columns = 'id::int AS id, v'): Promise<unknown[]> {
  return plane.rows(`SELECT ${columns} FROM t ORDER BY id, 2`);
}

describe('merge', () => {
  it('lets the last row of a key win, by file and then by line', async () => {
    const order = await plane.order(MERGE);
    await plane.write('b.csv', 'id,v\n1,b1\n2,b2\n');
    await plane.write('a.csv', 'id,v\n1,a1\n3,first\n3,second\n');
    expect((await plane.run(order)).errors).toEqual([]);
    expect(await table()).toEqual([
      { id: 1, v: 'b1' },
      { id: 2, v: 'b2' },
      { id: 3, v: 'second' },
    ]);
    await plane.write('c.csv', 'id,v\n2,c2\n');
    await plane.run(order);
    expect(await table()).toContainEqual({ id: 2, v: 'c2' });
  });

  it('leaves rows that do not differ as they are, with the load they came from', async () => {
    const order = await plane.order(MERGE);
    await plane.write('a.csv', 'id,v\n1,x\n2,y\n');
    await plane.run(order);
    const before = await plane.rows('SELECT id, xmin::text, _load_id FROM t ORDER BY id');
    await plane.write('b.csv', 'id,v\n1,x\n2,z\n');
    await plane.run(order);
    const after = await plane.rows('SELECT id, xmin::text, _load_id FROM t ORDER BY id');
    expect(after[0]).toEqual(before[0]);
    expect(after[1]).not.toEqual(before[1]);
  });

  it.each([
    ['a row without its key fails its file with the line', 'id,v\n,x\n', { line: 2, column: 'id' }],
    ['a file without the key fails', 'v\nx\n', { error_type: 'schema_mismatch' }],
  ])('%s', async (_, content, error) => {
    const order = await plane.order(MERGE);
    await plane.write('a.csv', 'id,v\n1,x\n');
    await plane.run(order);
    await plane.write('b.csv', content);
    expect(await plane.run(order)).toMatchObject({ status: 'failed', errors: [{ file: 'b.csv', ...error }] });
    expect(await table()).toEqual([{ id: 1, v: 'x' }]);
  });

  it('with a key that no file has fails the run and says which columns there are', async () => {
    const order = await plane.order({ ...MERGE, merge_keys: ['key'] });
    await plane.write('a.csv', 'id,v\n1,x\n');
    expect(await plane.run(order)).toMatchObject({
      status: 'failed',
      errors: [{ error_type: 'schema_mismatch', message: expect.stringContaining('Known columns: id, v') as string }],
    });
  });

  it('finds the one file of a batch whose rows the table refuses', async () => {
    const order = await plane.order(MERGE);
    await plane.write('a.csv', 'id,v\n0,x\n');
    await plane.run(order);
    await plane.rows("ALTER TABLE t ADD CHECK (v <> 'bad')");
    for (let n = 1; n <= 7; n++) await plane.write(`f${n}.csv`, `id,v\n${n},${n === 5 ? 'bad' : 'good'}\n`);
    expect(await plane.run(order)).toMatchObject({
      status: 'partial',
      errors: [{ file: 'f5.csv', error_type: 'destination' }],
      metrics: { files_processed: 6, files_failed: 1 },
    });
    expect(await plane.rows('SELECT count(*)::int AS rows FROM t')).toEqual([{ rows: 7 }]);
  });

  it('works for JSON and Parquet columns of several keys', async () => {
    const order = await plane.order({ write_mode: 'merge', merge_keys: ['a', 'b'] });
    await plane.write('1.ndjson', '{"a": 1, "b": "x", "o": {"k": 1}}\n{"a": 1, "b": "y", "o": {"k": 2}}\n');
    await plane.run(order);
    await plane.write('2.ndjson', '{"a": 1, "b": "y", "o": {"k": 3}}\n');
    expect((await plane.run(order)).errors).toEqual([]);
    expect(await plane.rows("SELECT b, o->>'k' AS k FROM t ORDER BY b")).toEqual([
      { b: 'x', k: '1' },
      { b: 'y', k: '3' },
    ]);
  });
});

describe('overwrite', () => {
  it('makes the table all files listed now', async () => {
    const order = await plane.order(OVERWRITE);
    await plane.write('a.csv', 'id,v\n1,x\n');
    await plane.write('b.csv', 'id,v\n2,y\n');
    await plane.run(order);
    await plane.write('c.csv', 'id,v\n3,z\n');
    await plane.write('b.csv', 'id,v\n2,new\n');
    await rm(join(plane.folder, 'a.csv'));
    expect((await plane.run(order)).errors).toEqual([]);
    expect(await table()).toEqual([
      { id: 2, v: 'new' },
      { id: 3, v: 'z' },
    ]);
    expect(await plane.rows('SELECT path FROM sluice.ledger ORDER BY path')).toEqual([
      { path: 'b.csv' },
      { path: 'c.csv' },
    ]);
    expect(
      await plane.control(
        `SELECT path FROM sluice_control.processed_file WHERE status = 'loaded' AND ingestion_id = '${order.id}' ORDER BY path`,
      ),
    ).toEqual([{ path: 'b.csv' }, { path: 'c.csv' }]);
  });

  it('does nothing when nothing has changed', async () => {
    const order = await plane.order(OVERWRITE);
    await plane.write('a.csv', 'id,v\n1,x\n');
    await plane.run(order);
    const before = await plane.rows("SELECT 't'::regclass::oid AS oid");
    expect(await plane.run(order)).toMatchObject({ summary: 'Nothing new to load.' });
    expect(await plane.rows("SELECT 't'::regclass::oid AS oid")).toEqual(before);
  });

  it('keeps the old table whole when one file is bad, or when no file is left', async () => {
    const order = await plane.order(OVERWRITE);
    await plane.write('a.csv', 'id,v\n1,x\n');
    await plane.run(order);
    await plane.write('b.csv', 'id,v\nnone,y\n');
    expect(await plane.run(order)).toMatchObject({ status: 'failed', metrics: { files_processed: 0 } });
    expect(await table()).toEqual([{ id: 1, v: 'x' }]);
    await rm(join(plane.folder, 'a.csv'));
    await rm(join(plane.folder, 'b.csv'));
    expect(await plane.run(order)).toMatchObject({ status: 'failed', errors: [{ error_type: 'not_found' }] });
    expect(await table()).toEqual([{ id: 1, v: 'x' }]);
  });

  it('takes a new column up and keeps a view, grants and comments', async () => {
    const order = await plane.order(OVERWRITE);
    await plane.write('a.csv', 'id,v\n1,x\n');
    await plane.run(order);
    await plane.rows("CREATE VIEW seen AS SELECT id FROM t; GRANT SELECT ON t TO PUBLIC; COMMENT ON TABLE t IS 'mine'");
    await plane.write('b.csv', 'id,v,w\n2,y,z\n');
    expect((await plane.run(order)).errors).toEqual([]);
    expect(await plane.rows('SELECT id::int FROM seen ORDER BY 1')).toEqual([{ id: 1 }, { id: 2 }]);
    expect(
      await plane.rows(
        "SELECT obj_description('t'::regclass) AS comment, has_table_privilege('public', 't', 'select') AS granted",
      ),
    ).toEqual([{ comment: 'mine', granted: true }]);
  });
});

describe('changed_files', () => {
  const changed_files = 'reload';

  it('reload puts the new rows in place of the old ones, and back again', async () => {
    const order = await plane.order({ changed_files });
    await plane.write('a.csv', 'id,v\n1,x\n2,y\n');
    await plane.write('b.csv', 'id,v\n9,z\n');
    await plane.run(order);
    for (const content of ['id,v\n1,new\n3,more\n', 'id,v\n1,x\n2,y\n']) {
      await plane.write('a.csv', content);
      expect(await plane.run(order)).toMatchObject({ status: 'success', metrics: { files_processed: 1 } });
      const rows = content
        .trim()
        .split('\n')
        .slice(1)
        .map((line) => line.split(','));
      expect(await table()).toEqual([...rows.map(([id, v]) => ({ id: Number(id), v })), { id: 9, v: 'z' }]);
    }
  });

  it('reload keeps the old rows when the new content is bad', async () => {
    const order = await plane.order({ changed_files });
    await plane.write('a.csv', 'id,v\n1,x\n');
    await plane.run(order);
    await plane.write('a.csv', 'id,v\nnone,x\n');
    expect(await plane.run(order)).toMatchObject({ status: 'failed', errors: [{ file: 'a.csv', line: 2 }] });
    expect(await table()).toEqual([{ id: 1, v: 'x' }]);
  });

  it('reload of a merged file leaves the rows that a later file has too', async () => {
    const order = await plane.order({ ...MERGE, changed_files });
    await plane.write('a.csv', 'id,v\n1,x\n2,y\n');
    await plane.run(order);
    await plane.write('b.csv', 'id,v\n1,x\n');
    await plane.run(order);
    await plane.write('a.csv', 'id,v\n3,z\n');
    expect((await plane.run(order)).errors).toEqual([]);
    expect(await table()).toEqual([
      { id: 1, v: 'x' },
      { id: 3, v: 'z' },
    ]);
  });

  it('reload goes with rules about the run as a whole', async () => {
    const order = await plane.order({ changed_files, quality: { on_error: 'abort_run' } });
    await plane.write('a.csv', 'id,v\n1,x\n');
    await plane.run(order);
    await plane.write('a.csv', 'id,v\n1,new\n');
    await plane.write('b.csv', 'id,v\n2,y\n');
    expect(await plane.run(order)).toMatchObject({ status: 'success', metrics: { files_processed: 2 } });
    expect(await table()).toEqual([
      { id: 1, v: 'new' },
      { id: 2, v: 'y' },
    ]);
  });

  it('fail ends the run with nothing loaded and names the file', async () => {
    const order = await plane.order({ changed_files: 'fail' });
    await plane.write('a.csv', 'id,v\n1,x\n');
    await plane.run(order);
    await plane.write('a.csv', 'id,v\n1,new\n');
    await plane.write('b.csv', 'id,v\n2,y\n');
    expect(await plane.run(order)).toMatchObject({
      status: 'failed',
      errors: [{ error_type: 'changed', message: expect.stringContaining('(a.csv)') as string }],
    });
    expect(await table()).toEqual([{ id: 1, v: 'x' }]);
  });
});

describe('refresh', () => {
  const full: RunParameters = { kind: 'refresh', scope: 'full' };
  const newOnly: RunParameters = { kind: 'refresh', scope: 'new_only' };

  it('full builds the table anew from all files', async () => {
    const order = await plane.order();
    await plane.write('a.csv', 'id,v\n1,x\n');
    await plane.run(order);
    await plane.rows("UPDATE t SET v = 'spoilt'; INSERT INTO t VALUES (7, 'stray', 0)");
    await plane.write('b.csv', 'id,v\n2,y\n');
    expect((await plane.run(order, { parameters: full })).metrics).toMatchObject({
      files_processed: 2,
      rows_ingested: 2,
    });
    expect(await table()).toEqual([
      { id: 1, v: 'x' },
      { id: 2, v: 'y' },
    ]);
    expect(await plane.run(order)).toMatchObject({ summary: 'Nothing new to load.' });
  });

  it('full keeps the old table when a file is bad', async () => {
    const order = await plane.order();
    await plane.write('a.csv', 'id,v\n1,x\n');
    await plane.run(order);
    await plane.write('b.csv', 'id,v\nnone,y\n');
    expect(await plane.run(order, { parameters: full })).toMatchObject({ status: 'failed' });
    expect(await table()).toEqual([{ id: 1, v: 'x' }]);
    expect(await plane.rows('SELECT path FROM sluice.ledger')).toEqual([{ path: 'a.csv' }]);
  });

  it('new-only builds it from the files never loaded, and the history stays', async () => {
    const order = await plane.order();
    await plane.write('a.csv', 'id,v\n1,x\n');
    await plane.run(order);
    await plane.write('b.csv', 'id,v\n2,y\n');
    await plane.run(order, { parameters: newOnly });
    expect(await table()).toEqual([{ id: 2, v: 'y' }]);
    expect(await plane.run(order)).toMatchObject({ summary: 'Nothing new to load.' });
  });

  it('new-only that is executed again after its commit leaves the table as it is', async () => {
    const order = await plane.order();
    await plane.write('a.csv', 'id,v\n1,x\n');
    await plane.run(order);
    await plane.write('b.csv', 'id,v\n2,y\n');
    await plane.run(order, { parameters: newOnly });
    const [last] = await plane.rows<{ run: string }>("SELECT run FROM sluice.ledger WHERE path = 'b.csv'");
    const runId = last?.run ?? '';
    await plane.control(
      `UPDATE sluice_control.run SET status = 'running', ended_at = NULL, executor = gen_random_uuid() WHERE id = '${runId}'`,
    );
    const request = { order, runId, parameters: newOnly, executor: runId, signal: new AbortController().signal };
    const report = { log: () => undefined, progress: () => undefined };
    expect(await plane.orchestrator.runIngestion({ ...request, report })).toMatchObject({ status: 'success' });
    expect(await table()).toEqual([{ id: 2, v: 'y' }]);
  });

  it.each([
    ['full without a file', full, /No file matches \*, and the table would become empty/],
    ['new-only without a new file', newOnly, /Every file that matches \* was loaded before/],
  ])('%s leaves the table as it is', async (_, parameters, message) => {
    const order = await plane.order();
    await plane.write('a.csv', 'id,v\n1,x\n');
    await plane.run(order);
    if (parameters === full) await rm(join(plane.folder, 'a.csv'));
    expect(await plane.run(order, { parameters })).toMatchObject({
      status: 'failed',
      errors: [{ error_type: 'not_found', message: expect.stringMatching(message) as string }],
    });
    expect(await table()).toEqual([{ id: 1, v: 'x' }]);
  });

  it('of a merge keeps the last row of each key', async () => {
    const order = await plane.order(MERGE);
    await plane.write('a.csv', 'id,v\n1,x\n');
    await plane.write('b.csv', 'id,v\n1,y\n');
    await plane.run(order);
    expect((await plane.run(order, { parameters: full })).errors).toEqual([]);
    expect(await table()).toEqual([{ id: 1, v: 'y' }]);
  });
});

test('a backfill loads what is new within its time and below its prefix, and nothing again', async () => {
  const order = await plane.order({ pattern: '**/*.csv' });
  await plane.write('2023/a.csv', 'id,v\n1,x\n');
  await plane.write('2024/b.csv', 'id,v\n2,y\n');
  const within = { kind: 'load', from: null, until: null, path_prefix: '2024/' } as const;
  expect(await plane.run(order, { parameters: within })).toMatchObject({ metrics: { files_processed: 1 } });
  const past = { kind: 'load', from: null, until: '2001-01-01T00:00:00Z', path_prefix: null } as const;
  expect(await plane.run(order, { parameters: past })).toMatchObject({ summary: 'Nothing new to load.' });
  await plane.run(order);
  expect(await table()).toEqual([
    { id: 1, v: 'x' },
    { id: 2, v: 'y' },
  ]);
});
