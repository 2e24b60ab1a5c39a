import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { QualitySpec, RunParameters } from '@sluice/ingestion';
import { dataPlane, type OrderOverrides, type Plane } from '../support/data-plane';

let plane: Plane;
beforeAll(async () => {
  plane = await dataPlane();
});
beforeEach(() => plane.clean());
afterAll(() => plane.close());

const SKIP: Partial<QualitySpec> = { on_error: 'skip_rows', max_rejected_rows: null };
const MIXED = 'id,v\n1,a\nx,b\n3,c\n4,d,e\n5,f\n';

async function loaded(overrides: OrderOverrides) {
  await plane.write('0.csv', 'id,v\n0,z\n');
  const order = await plane.order(overrides);
  await plane.run(order);
  return order;
}

async function ids(): Promise<number[]> {
  return (await plane.rows<{ id: string }>('SELECT id FROM t ORDER BY id')).map(({ id }) => Number(id));
}

describe('skip_rows', () => {
  it('leaves bad rows out and keeps them with file, line, column, reason and the raw line', async () => {
    const order = await loaded({ quality: SKIP });
    await plane.write('a.csv', MIXED);
    expect(await plane.run(order)).toMatchObject({
      status: 'success',
      errors: [{ file: 'a.csv', line: 3, message: expect.stringContaining('2 rows of a.csv left out') as string }],
      metrics: { rows_ingested: 3, rows_rejected: 2 },
    });
    expect(await ids()).toEqual([0, 1, 3, 5]);
    const rejected = 'SELECT path, line::int, column_name, error_type, raw FROM sluice.rejected_row ORDER BY line';
    expect(await plane.rows(rejected)).toEqual([
      { path: 'a.csv', line: 3, column_name: 'id', error_type: 'type_mismatch', raw: 'x,b' },
      { path: 'a.csv', line: 5, column_name: null, error_type: 'malformed', raw: '4,d,e' },
    ]);
    expect(await plane.rows("SELECT rejected::int FROM sluice.ledger WHERE path = 'a.csv'")).toEqual([{ rejected: 2 }]);
  });

  it.each([
    [1, 'failed'],
    [2, 'success'],
    ['30%', 'failed'],
    ['40%', 'success'],
  ])('with at most %s bad rows is %s', async (max_rejected_rows, status) => {
    const order = await loaded({ quality: { ...SKIP, max_rejected_rows } });
    await plane.write('a.csv', MIXED);
    expect((await plane.run(order)).status).toBe(status);
    expect(await ids()).toEqual(status === 'failed' ? [0] : [0, 1, 3, 5]);
  });

  it('leaves out the rows that the server refuses, too', async () => {
    const order = await loaded({ quality: SKIP });
    await plane.rows('ALTER TABLE t ADD CHECK (id <> 3)');
    await plane.write('a.csv', MIXED);
    expect(await plane.run(order)).toMatchObject({
      status: 'success',
      metrics: { rows_ingested: 2, rows_rejected: 3 },
    });
    expect(await ids()).toEqual([0, 1, 5]);
    expect(await plane.rows("SELECT line::int FROM sluice.rejected_row WHERE error_type = 'destination'")).toEqual([
      { line: 4 },
    ]);
  });

  it('holds many rejected rows without losing one', async () => {
    const order = await loaded({ quality: SKIP });
    await plane.write('a.csv', `id,v\n${Array.from({ length: 5_000 }, (_, n) => `x${n},y\n`).join('')}7,z\n`);
    expect(await plane.run(order)).toMatchObject({ metrics: { rows_ingested: 1, rows_rejected: 5_000 } });
    expect(await plane.rows('SELECT count(DISTINCT raw)::int AS rows FROM sluice.rejected_row')).toEqual([
      { rows: 5_000 },
    ]);
  });

  it.each(['sync_all_columns', 'fail'] as const)(
    'under %s leaves out a line that is malformed',
    async (on_schema_change) => {
      const order = await loaded({ quality: SKIP, on_schema_change });
      await plane.write('a.csv', 'id,v\n1,a\n2,b,c\n');
      expect(await plane.run(order)).toMatchObject({
        status: 'success',
        metrics: { rows_ingested: 1, rows_rejected: 1 },
      });
    },
  );

  it('under fail a value of another type is a change of the columns all the same', async () => {
    const order = await loaded({ quality: SKIP, on_schema_change: 'fail' });
    await plane.write('a.csv', 'id,v\nx,a\n');
    expect((await plane.run(order)).summary).toContain('(~ id bigint -> text)');
  });

  it('under sync_all_columns widens first, and leaves out what a locked type cannot take', async () => {
    const schema = { columns: { id: 'bigint' } } as const;
    const order = await loaded({ quality: SKIP, schema, on_schema_change: 'sync_all_columns' });
    await plane.write('a.csv', MIXED);
    expect(await plane.run(order)).toMatchObject({ metrics: { rows_ingested: 3, rows_rejected: 2 } });
  });
});

describe('abort_run', () => {
  it('loads nothing of a run with one bad row, and all of it once the file is mended', async () => {
    const order = await loaded({ quality: { on_error: 'abort_run' } });
    await plane.write('a.csv', 'id,v\n1,a\n');
    await plane.write('b.csv', 'id,v\nx,b\n');
    expect(await plane.run(order)).toMatchObject({
      status: 'failed',
      errors: [
        { error_type: 'type_mismatch', message: expect.stringContaining('quality.on_error is "abort_run"') as string },
      ],
      metrics: { files_processed: 0 },
    });
    expect(await ids()).toEqual([0]);
    await plane.write('b.csv', 'id,v\n2,b\n');
    expect((await plane.run(order)).status).toBe('success');
    expect(await ids()).toEqual([0, 1, 2]);
  });
});

describe('the rows of a run as a whole', () => {
  it('fewer than min_rows: the run fails before it commits', async () => {
    const order = await loaded({ quality: { min_rows: 1 } });
    await plane.write('a.csv', 'id,v\n');
    expect(await plane.run(order)).toMatchObject({
      status: 'failed',
      errors: [{ error_type: 'limit', message: expect.stringContaining('quality.min_rows asks for 1') as string }],
    });
    expect(await plane.rows('SELECT path FROM sluice.ledger')).toEqual([{ path: '0.csv' }]);
    await rm(join(plane.folder, 'a.csv'));
    expect(await plane.run(order)).toMatchObject({ summary: 'Nothing new to load.' });
  });

  it('far fewer than in the last runs: likewise', async () => {
    const order = await plane.order({ quality: { max_drop_percent: 50 } });
    for (const name of ['a', 'b']) {
      await plane.write(`${name}.csv`, `id,v\n${'1,x\n'.repeat(100)}`);
      expect((await plane.run(order)).status).toBe('success');
    }
    await plane.write('c.csv', `id,v\n${'1,x\n'.repeat(40)}`);
    expect((await plane.run(order)).errors[0]?.message).toMatch(
      /40 rows, 60\.0 percent fewer than the 100 .*max_drop_percent allows 50/,
    );
    await plane.write('c.csv', `id,v\n${'1,x\n'.repeat(60)}`);
    expect((await plane.run(order)).status).toBe('success');
  });
});

describe('a file that fails again and again', () => {
  let patient: Plane;
  beforeAll(async () => {
    patient = await dataPlane({ SLUICE_FILE_ATTEMPTS: '2', SLUICE_FILE_RETRY_SECONDS: '0' });
  });
  beforeEach(() => patient.clean());
  afterAll(() => patient.close());

  const status = async (path: string) =>
    (
      await patient.control<{ status: string; attempts: number }>(
        `SELECT status, attempts FROM sluice_control.processed_file WHERE path = '${path}'`,
      )
    )[0];

  it('is quarantined after its last attempt, and loaded when it changes', async () => {
    await patient.write('a.csv', 'id\n1\n');
    const order = await patient.order();
    await patient.run(order);
    await patient.write('b.csv', 'id\nx\n');
    expect((await patient.run(order)).metrics).toMatchObject({ files_failed: 1 });
    expect(await status('b.csv')).toMatchObject({ status: 'failed', attempts: 1 });
    await patient.run(order);
    expect(await status('b.csv')).toMatchObject({ status: 'quarantined', attempts: 2 });
    const lines: string[] = [];
    expect(await patient.run(order, { log: (line) => lines.push(line) })).toMatchObject({
      status: 'success',
      metrics: { files_failed: 0, files_held: 1 },
    });
    expect(lines.join('\n')).toContain('Held back because of earlier failures: 1 file, each until');
    await patient.write('b.csv', 'id\n22\n');
    expect(await patient.run(order)).toMatchObject({ status: 'success', metrics: { files_held: 0 } });
    expect(await status('b.csv')).toMatchObject({ status: 'loaded', attempts: 0 });
  });

  it('is tried again by hand, and when the order says otherwise how it is read', async () => {
    await patient.write('a.csv', 'id\n1\n');
    const order = await patient.order();
    await patient.run(order);
    await patient.write('b.csv', 'id\nx\n');
    for (let n = 0; n < 3; n++) await patient.run(order);
    const retry: RunParameters = { kind: 'retry', paths: ['b.csv'] };
    expect((await patient.run(order, { parameters: retry })).metrics).toMatchObject({ files_failed: 1 });
    expect((await patient.run(order)).metrics).toMatchObject({ files_failed: 0 });
    const otherwise = { ...order, on_schema_change: 'sync_all_columns' } as const;
    expect(await patient.run(otherwise)).toMatchObject({ status: 'success', metrics: { files_processed: 1 } });
  });
});
