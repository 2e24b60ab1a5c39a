import { randomUUID } from 'node:crypto';
import type { RunParameters } from '@sluice/ingestion';
import { dataPlane, type OrderOverrides, type Plane } from '../support/data-plane';
import { zipOf } from '../support/source-files';

let plane: Plane;
beforeAll(async () => {
  plane = await dataPlane();
});
beforeEach(() => plane.clean());
afterAll(() => plane.close());

const SKIP: OrderOverrides = { quality: { on_error: 'skip_rows', max_rejected_rows: null } };

/** A merged table `t (id, v, w)` with one row and a constraint on it. */
async function constrained(constraint: string, overrides: OrderOverrides = {}) {
  const order = await plane.order({ write_mode: 'merge', merge_keys: ['id'], ...overrides });
  await plane.write('0.csv', 'id,v,w\n0,zero,0\n');
  expect((await plane.run(order)).errors).toEqual([]);
  await plane.rows(`ALTER TABLE t ADD CONSTRAINT wanted ${constraint}`);
  return order;
}

const ids = async () => (await plane.rows<{ id: string }>('SELECT id FROM t ORDER BY id')).map(({ id }) => Number(id));
const rejected = () =>
  plane.rows(
    'SELECT path, member, line::int, column_name, error_type, raw FROM sluice.rejected_row ORDER BY path, line',
  );

const BAD = 'id,v,w\n1,a,1\n2,,2\n3,c,3\n4,zero,4\n5,e,-5\n';

describe.each([
  ['NOT NULL', 'CHECK (v IS NOT NULL)', [{ line: 3, raw: '2,,2' }]],
  ['CHECK', 'CHECK (w >= 0)', [{ line: 6, raw: '5,e,-5' }]],
  ['UNIQUE', 'UNIQUE (v)', [{ line: 5, raw: '4,zero,4' }]],
])('a row that breaks %s when it is merged', (_, constraint, guilty) => {
  it('is left out under skip_rows, with its line and text', async () => {
    const order = await constrained(constraint, SKIP);
    await plane.write('a.csv', BAD);
    expect(await plane.run(order)).toMatchObject({
      status: 'success',
      metrics: { rows_ingested: 4, rows_rejected: 1 },
      errors: [{ file: 'a.csv', error_type: 'destination', line: guilty[0]?.line }],
    });
    expect(await rejected()).toEqual([
      expect.objectContaining({ path: 'a.csv', error_type: 'destination', ...guilty[0] }),
    ]);
    expect((await ids()).length).toBe(5);
  });

  it('fails its file with its line, and the others load', async () => {
    const order = await constrained(constraint);
    await plane.write('a.csv', BAD);
    await plane.write('b.csv', 'id,v,w\n9,i,9\n');
    expect(await plane.run(order)).toMatchObject({
      status: 'partial',
      errors: [
        {
          file: 'a.csv',
          line: guilty[0]?.line,
          message: expect.stringContaining(`Line ${guilty[0]?.line}: the destination refused the row: `) as string,
        },
      ],
    });
    expect(await ids()).toEqual([0, 9]);
  });
});

it('names the column of a NOT NULL', async () => {
  const order = await constrained('CHECK (true)', SKIP);
  await plane.rows('ALTER TABLE t ALTER COLUMN v SET NOT NULL');
  await plane.write('a.csv', BAD);
  await plane.run(order);
  expect(await rejected()).toMatchObject([{ line: 3, column_name: 'v' }]);
});

it('finds the rows of several files and formats in one go, up to the limit', async () => {
  const order = await constrained('CHECK (w >= 0)', { quality: { on_error: 'skip_rows', max_rejected_rows: 2 } });
  const records = (from: number, signs: number[]) => signs.map((w, n) => ({ id: from + n, v: `${from}-${n}`, w }));
  const lines = (rows: object[]) => rows.map((row) => JSON.stringify(row)).join('\n');
  await plane.write('a.ndjson', lines(records(10, [1, -1, 1, -1])));
  await plane.write('b.ndjson', lines(records(20, [-1, -1, -1, 1])));
  await plane.write('c.ndjson', lines(records(30, [1, 1])));
  expect(await plane.run(order)).toMatchObject({
    status: 'partial',
    errors: expect.arrayContaining([
      expect.objectContaining({ file: 'b.ndjson', message: expect.stringContaining('max_rejected_rows allows 2') }),
    ]) as object[],
  });
  expect(await ids()).toEqual([0, 10, 12, 30, 31]);
  expect(await rejected()).toMatchObject([
    { path: 'a.ndjson', line: 2 },
    { path: 'a.ndjson', line: 4 },
  ]);
});

it('lets the row before it count when the last one of a key is left out', async () => {
  const order = await constrained('CHECK (w >= 0)', SKIP);
  await plane.write('a.csv', 'id,v,w\n1,first,1\n1,last,-1\n');
  await plane.run(order);
  expect(await plane.rows('SELECT v FROM t WHERE id = 1')).toEqual([{ v: 'first' }]);
});

it('does not blame a bad row that another of its key replaces', async () => {
  const order = await constrained('CHECK (w >= 0)');
  await plane.write('a.csv', 'id,v,w\n1,first,-1\n1,last,1\n');
  expect((await plane.run(order)).errors).toEqual([]);
  expect(await plane.rows('SELECT v FROM t WHERE id = 1')).toEqual([{ v: 'last' }]);
});

it('finds the row in the member of an archive', async () => {
  const order = await constrained('CHECK (w >= 0)', SKIP);
  const good = 'id,v,w\n1,a,1\n';
  await plane.write('a.zip', await zipOf({ 'a.csv': good, 'b.csv': BAD.replace('1,a,1', '7,g,7'), 'c.csv': good }));
  expect(await plane.run(order)).toMatchObject({ status: 'success', metrics: { rows_rejected: 1 } });
  expect(await rejected()).toMatchObject([{ path: 'a.zip', member: 'b.csv', line: 6, raw: '5,e,-5' }]);
});

it('names the member of an archive that fails by its row', async () => {
  const order = await constrained('CHECK (w >= 0)');
  await plane.write('a.zip', await zipOf({ 'a.csv': 'id,v,w\n1,a,1\n', 'b.csv': BAD.replace('1,a,1', '7,g,7') }));
  expect(await plane.run(order)).toMatchObject({
    status: 'failed',
    errors: [
      { file: 'a.zip', line: 6, message: expect.stringContaining('b.csv in a.zip: Line 6: the dest') as string },
    ],
  });
});

describe('a run that is one transaction', () => {
  it('leaves the row out under skip_rows', async () => {
    const order = await constrained('CHECK (w >= 0)', { quality: { ...SKIP.quality, min_rows: 1 } });
    await plane.write('a.csv', BAD);
    expect(await plane.run(order)).toMatchObject({ status: 'success', metrics: { rows_rejected: 1 } });
    expect(await rejected()).toMatchObject([{ line: 6 }]);
  });

  it('passes its file over under fail_file', async () => {
    const order = await constrained('CHECK (w >= 0)', { quality: { min_rows: 1 } });
    await plane.write('a.csv', BAD);
    await plane.write('b.csv', 'id,v,w\n9,i,9\n');
    expect(await plane.run(order)).toMatchObject({ status: 'partial', errors: [{ file: 'a.csv', line: 6 }] });
    expect(await ids()).toEqual([0, 9]);
  });

  it('ends with the line under abort_run', async () => {
    const order = await constrained('CHECK (w >= 0)', { quality: { on_error: 'abort_run' } });
    await plane.write('a.csv', BAD);
    await plane.write('b.csv', 'id,v,w\n9,i,9\n');
    expect(await plane.run(order)).toMatchObject({
      status: 'failed',
      errors: [
        { file: 'a.csv', line: 6, message: expect.stringContaining('Nothing of this run was loaded') as string },
      ],
    });
    expect(await ids()).toEqual([0]);
  });

  it('that builds the table anew leaves the row out, too', async () => {
    const order = await constrained('CHECK (w >= 0)', SKIP);
    await plane.write('a.csv', BAD);
    const parameters: RunParameters = { kind: 'refresh', scope: 'full' };
    expect(await plane.run(order, { parameters })).toMatchObject({ status: 'success', metrics: { rows_rejected: 1 } });
    expect(await ids()).toEqual([0, 1, 2, 3, 4]);
  });
});

it('finds one row of 50,000', async () => {
  const order = await constrained('CHECK (w >= 0)', SKIP);
  const lines = Array.from({ length: 50_000 }, (_, n) => `${n + 1},${randomUUID()},${n === 40_000 ? -1 : n}\n`);
  await plane.write('a.csv', `id,v,w\n${lines.join('')}`);
  expect(await plane.run(order)).toMatchObject({ metrics: { rows_ingested: 49_999, rows_rejected: 1 } });
  expect(await rejected()).toMatchObject([{ line: 40_002 }]);
}, 60_000);
