import type { RunOutcome } from '@sluice/batch-orchestrator';
import type { OnSchemaChange, RunningOrder } from '@sluice/ingestion';
import { DuckDBInstance } from '@duckdb/node-api';
import { join } from 'node:path';
import { dataPlane, type Plane } from '../support/data-plane';

let plane: Plane;
beforeAll(async () => {
  plane = await dataPlane();
});
beforeEach(() => plane.clean());
afterAll(() => plane.close());

async function columns(): Promise<string[]> {
  const rows = await plane.rows<{ name: string }>(
    "SELECT attname AS name FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
  );
  return rows.map(({ name }) => name);
}

async function runs(
  policy: OnSchemaChange,
  first: Record<string, string>,
  second: Record<string, string>,
): Promise<[RunOutcome, RunOutcome, RunningOrder]> {
  const order = await plane.order({ on_schema_change: policy });
  for (const [path, content] of Object.entries(first)) await plane.write(path, content);
  const one = await plane.run(order);
  for (const [path, content] of Object.entries(second)) await plane.write(path, content);
  return [one, await plane.run(order), order];
}

const FORMATS = [
  ['CSV', { 'a.csv': 'id\n1\n' }, { 'b.csv': 'id,New Key\n2,x\n', 'c.csv': 'id\n3\n' }],
  [
    'JSON, in the middle of a file',
    { 'a.json': '{"id": 1}' },
    { 'b.json': '{"id": 2}\n{"id": 20, "New Key": "x"}\n', 'c.json': '[{"id": 3}]' },
  ],
] as const;

describe.each(FORMATS)('a new column in %s', (_, first, second) => {
  it('is added with append_new_columns, and the version says which file brought it', async () => {
    const [, outcome, order] = await runs('append_new_columns', first, second);
    expect(outcome).toMatchObject({ status: 'success', errors: [], metrics: { files_processed: 2 } });
    expect(await columns()).toEqual(['id', '_load_id', 'new_key']);
    expect(await plane.rows('SELECT DISTINCT new_key FROM t WHERE new_key IS NOT NULL')).toEqual([{ new_key: 'x' }]);
    expect(await plane.recorder.knownSchema(order.id)).toMatchObject({
      version: 2,
      columns: [
        { source: 'id', name: 'id', type: 'bigint' },
        { source: 'New Key', name: 'new_key', type: 'text' },
      ],
    });
  });

  it('fails its file with fail, and the others load', async () => {
    const [, outcome, order] = await runs('fail', first, second);
    expect(outcome).toMatchObject({
      status: 'partial',
      errors: [{ file: Object.keys(second)[0], column: 'New Key', error_type: 'schema_mismatch' }],
      metrics: { files_processed: 1, files_failed: 1 },
    });
    expect(await columns()).toEqual(['id', '_load_id']);
    expect(await plane.recorder.knownSchema(order.id)).toMatchObject({ version: 1 });
  });

  it('is left out with ignore', async () => {
    const [, outcome] = await runs('ignore', first, second);
    expect(outcome).toMatchObject({ status: 'success', errors: [], metrics: { files_processed: 2 } });
    expect(await columns()).toEqual(['id', '_load_id']);
  });
});

test('a new column in Parquet is added with its type', async () => {
  const order = await plane.order();
  const duckDb = await (await DuckDBInstance.create()).connect();
  await duckDb.run(`COPY (SELECT 1 AS id) TO '${join(plane.folder, 'a.parquet')}' (FORMAT parquet)`);
  await plane.run(order);
  await duckDb.run(
    `COPY (SELECT 1.5::DECIMAL(9,2) AS price, 2 AS id) TO '${join(plane.folder, 'b.parquet')}' (FORMAT parquet)`,
  );
  duckDb.closeSync();
  expect((await plane.run(order)).errors).toEqual([]);
  expect(await plane.rows('SELECT id, price, pg_typeof(price)::text AS type FROM t ORDER BY id')).toEqual([
    { id: 1, price: null, type: 'numeric' },
    { id: 2, price: '1.50', type: 'numeric' },
  ]);
});

test('columns in another order or left out are put where they belong', async () => {
  const [, outcome] = await runs(
    'fail',
    { 'a.csv': 'id,name\n1,x\n' },
    { 'b.csv': 'name,id\ny,2\n', 'c.csv': 'id\n3\n' },
  );
  expect(outcome.errors).toEqual([]);
  expect(await plane.rows('SELECT id, name FROM t ORDER BY id')).toEqual([
    { id: '1', name: 'x' },
    { id: '2', name: 'y' },
    { id: '3', name: null },
  ]);
});

test('a new column is read with the dialect of the files before, not guessed again', async () => {
  const [, outcome] = await runs(
    'append_new_columns',
    { 'a.csv': 'id,name\n1,x\n2,y\n' },
    { 'b.csv': 'id,name,a|b|c\n3,z,1|2|3\n4,u,4|5|6\n' },
  );
  expect(outcome).toMatchObject({ status: 'success', errors: [] });
  expect(await columns()).toEqual(['id', 'name', '_load_id', 'a_b_c']);
});

describe('a table that somebody else has made', () => {
  const files = { 'a.csv': 'id,name\n1,x\n' };

  it('without _load_id fails the run with the statement that helps', async () => {
    await plane.rows('CREATE TABLE t (id bigint, name text)');
    const [outcome] = await runs('append_new_columns', files, {});
    expect(outcome).toMatchObject({
      status: 'failed',
      errors: [
        {
          error_type: 'schema_mismatch',
          message:
            'The table public.t has no column _load_id of type bigint. Add it with: ALTER TABLE public.t ADD COLUMN _load_id bigint.',
        },
      ],
    });
    await plane.rows('ALTER TABLE public.t ADD COLUMN _load_id bigint');
    expect((await plane.run(await plane.order())).errors).toEqual([]);
  });

  it('keeps its types where the values fit', async () => {
    await plane.rows(
      'CREATE TABLE t (name varchar(10), id numeric(10,2), _load_id bigint, made timestamptz DEFAULT now())',
    );
    const [outcome] = await runs('fail', files, {});
    expect(outcome.errors).toEqual([]);
    expect(await plane.rows('SELECT id, name, made IS NOT NULL AS made FROM t')).toEqual([
      { id: '1.00', name: 'x', made: true },
    ]);
  });

  it.each(['append_new_columns', 'fail'] as const)(
    'with a column of a type that cannot be loaded fails its files (%s), and nothing is stored as something else',
    async (policy) => {
      await plane.rows('CREATE TABLE t (id money, name text, _load_id bigint)');
      const [outcome] = await runs(policy, files, {});
      expect(outcome).toMatchObject({
        status: 'failed',
        errors: [
          {
            file: 'a.csv',
            error_type: 'schema_mismatch',
            message: expect.stringMatching(/\+ id bigint\. Alter the table/) as string,
          },
        ],
      });
      expect(await plane.rows('SELECT 1 FROM t')).toEqual([]);
    },
  );

  it('with none of the columns fails its files with ignore instead of looking for ever', async () => {
    await plane.rows('CREATE TABLE t (other text, _load_id bigint)');
    const [outcome] = await runs('ignore', files, {});
    expect(outcome).toMatchObject({ status: 'failed', errors: [{ file: 'a.csv', error_type: 'schema_mismatch' }] });
  });
});

describe('a table that changed since it was loaded', () => {
  it('and is gone is made again', async () => {
    const order = await plane.order();
    await plane.write('a.csv', 'id,name\n1,x\n');
    await plane.run(order);
    await plane.rows('DROP TABLE t');
    await plane.write('b.csv', 'id\n2\n');
    expect((await plane.run(order)).errors).toEqual([]);
    expect(await plane.rows('SELECT id, name FROM t')).toEqual([{ id: '2', name: null }]);
  });

  it.each([
    ['append_new_columns', { status: 'success' }, ['id', '_load_id', 'name']],
    ['ignore', { status: 'success' }, ['id', '_load_id']],
    ['fail', { status: 'failed', errors: [{ error_type: 'schema_mismatch' }] }, ['id', '_load_id']],
  ] as const)('and lacks a column is treated as on_schema_change says: %s', async (policy, expected, left) => {
    const order = await plane.order({ on_schema_change: policy });
    await plane.write('a.csv', 'id,name\n1,x\n');
    await plane.run(order);
    await plane.rows('ALTER TABLE t DROP COLUMN name');
    await plane.write('b.csv', 'id,name\n2,y\n');
    expect(await plane.run(order)).toMatchObject(expected);
    expect(await columns()).toEqual(left);
  });

  it('and has another type now is loaded into that', async () => {
    const order = await plane.order();
    await plane.write('a.csv', 'id\n1\n');
    await plane.run(order);
    await plane.rows('ALTER TABLE t ALTER id TYPE text');
    await plane.write('b.csv', 'id\nx2\n');
    expect((await plane.run(order)).errors).toEqual([]);
    expect(await plane.rows('SELECT id FROM t ORDER BY id')).toEqual([{ id: '1' }, { id: 'x2' }]);
  });
});

test('a user who may not create schemas can load into one that is there', async () => {
  await plane.write('a.csv', 'id\n1\n');
  const order = await plane.order();
  await plane.run(order);
  const url = new URL(plane.destinationUrl);
  const role = url.pathname.slice(1).replace('t_', 'r_');
  await plane.rows(
    `CREATE ROLE ${role} LOGIN PASSWORD 'x'; GRANT ALL ON SCHEMA public, sluice TO ${role}; GRANT ALL ON ALL TABLES IN SCHEMA sluice TO ${role}; GRANT ALL ON ALL SEQUENCES IN SCHEMA sluice TO ${role}`,
  );
  try {
    const { PostgresDestination } = await import('@sluice/connectors');
    const { Secret } = await import('@sluice/kernel');
    [url.username, url.password] = [role, 'x'];
    const orchestrator = plane.orchestratorWith({
      destination: new PostgresDestination({ url: new Secret(url.href), leaseSeconds: 60 }),
    });
    const outcome = await plane.run(await plane.order({ table: 'theirs' }), { orchestrator });
    expect(outcome.errors).toEqual([]);
    expect(await plane.run(await plane.order({ table: 't' }), { orchestrator })).toMatchObject({
      status: 'failed',
      errors: [{ error_type: 'permission', retryable: false }],
    });
  } finally {
    await plane.rows(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
  }
});
