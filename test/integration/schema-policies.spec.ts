import type { RunOutcome } from '@sluice/batch-orchestrator';
import type { RunningOrder, SchemaChange } from '@sluice/ingestion';
import { type OrderOverrides, dataPlane, type Plane } from '../support/data-plane';

let plane: Plane;
beforeAll(async () => {
  plane = await dataPlane();
});
beforeEach(() => plane.clean());
afterAll(() => plane.close());

type Files = Record<string, string>;

/** One run for each set of files. */
async function runs(
  overrides: OrderOverrides,
  ...sets: Files[]
): Promise<{ order: RunningOrder; outcomes: RunOutcome[] }> {
  const order = await plane.order(overrides);
  const outcomes: RunOutcome[] = [];
  for (const files of sets) {
    for (const [path, content] of Object.entries(files)) await plane.write(path, content);
    outcomes.push(await plane.run(order));
  }
  return { order, outcomes };
}

async function types(): Promise<Record<string, string>> {
  const rows = await plane.rows<{ name: string; type: string }>(
    `SELECT attname AS name, format_type(atttypid, atttypmod) || CASE WHEN attnotnull THEN ' not null' ELSE '' END AS type
     FROM pg_attribute WHERE attrelid = 't'::regclass AND attnum > 0 AND NOT attisdropped AND attname <> '_load_id' ORDER BY attnum`,
  );
  return Object.fromEntries(rows.map(({ name, type }) => [name, type]));
}

async function lastChanges(order: RunningOrder): Promise<{ version: number; file: string; changes: SchemaChange[] }> {
  const client = await plane.control<{ version: number; file: string; changes: SchemaChange[] }>(
    `SELECT version, file, changes FROM sluice_control.schema_version WHERE ingestion_id = '${order.id}' ORDER BY version DESC LIMIT 1`,
  );
  return client[0] as { version: number; file: string; changes: SchemaChange[] };
}

describe('sync_all_columns', () => {
  const on_schema_change = 'sync_all_columns';

  it.each([
    ['bigint', 'numeric', '1', '1.5', ['1', '1.5']],
    ['bigint', 'numeric', '1', '12345678901234567890', ['1', '12345678901234567890']],
    ['bigint', 'text', '1', 'x', ['1', 'x']],
    [
      'date',
      'timestamp without time zone',
      '2024-01-02',
      '2024-01-02 03:04:05',
      ['2024-01-02 00:00:00', '2024-01-02 03:04:05'],
    ],
    ['double precision', 'text', '0.1', 'x', ['0.1', 'x']],
    ['boolean', 'text', 'true', 'maybe', ['maybe', 'true']],
  ] as const)('widens %s to %s and changes no value', async (before, after, first, second, values) => {
    const { order, outcomes } = await runs(
      { on_schema_change },
      { 'a.csv': `id,v\n1,${first}\n` },
      { 'b.csv': `id,v\n2,${second}\n` },
    );
    expect(outcomes.map(({ status }) => status)).toEqual(['success', 'success']);
    expect((await types()).v).toBe(after);
    expect((await plane.rows<{ v: string }>('SELECT v::text AS v FROM t ORDER BY v')).map(({ v }) => v)).toEqual(
      values,
    );
    expect(await lastChanges(order)).toEqual({
      version: 2,
      file: 'b.csv',
      changes: [{ kind: 'widened', column: 'v', type: after, before }],
    });
  });

  it('never narrows: a file of smaller values leaves the type as it is', async () => {
    const { order } = await runs({ on_schema_change }, { 'a.csv': 'v\nx\n' }, { 'b.csv': 'v\n1\n' });
    expect(await types()).toEqual({ v: 'text' });
    expect((await lastChanges(order)).version).toBe(1);
  });

  it('drops the NOT NULL of a column that a file no longer has', async () => {
    await plane.rows('CREATE TABLE t (id bigint, name text NOT NULL, _load_id bigint)');
    const { order, outcomes } = await runs({ on_schema_change }, { 'a.csv': 'id,name\n1,x\n' }, { 'b.csv': 'id\n2\n' });
    expect(outcomes.map(({ errors }) => errors)).toEqual([[], []]);
    expect(await types()).toEqual({ id: 'bigint', name: 'text' });
    expect((await lastChanges(order)).changes).toEqual([{ kind: 'nullable', column: 'name', type: 'text' }]);
  });

  it('keeps the values of a column that vanished, unless drop_removed is set', async () => {
    await runs({ on_schema_change }, { 'a.csv': 'id,name\n1,x\n' }, { 'b.csv': 'id\n2\n' });
    expect(await plane.rows('SELECT name FROM t ORDER BY id')).toEqual([{ name: 'x' }, { name: null }]);
    await plane.clean();
    const schema = { drop_removed: true };
    const { order } = await runs({ on_schema_change, schema }, { 'a.csv': 'id,name\n1,x\n' }, { 'b.csv': 'id\n2\n' });
    expect(await types()).toEqual({ id: 'bigint' });
    expect((await lastChanges(order)).changes).toEqual([{ kind: 'removed', column: 'name', type: 'text' }]);
  });

  it('drops nothing while the table is built as a whole, where files differ in their columns', async () => {
    const schema = { drop_removed: true };
    const { outcomes } = await runs(
      { on_schema_change, schema, write_mode: 'overwrite' },
      { 'a.csv': 'id\n1\n', 'b.csv': 'id,x\n2,y\n' },
    );
    expect(outcomes[0]?.errors).toEqual([]);
    expect(await plane.rows('SELECT id::int, x FROM t ORDER BY id')).toEqual([
      { id: 1, x: null },
      { id: 2, x: 'y' },
    ]);
  });

  it('gives a file up whose column stays NOT NULL whatever is changed', async () => {
    await plane.rows('CREATE DOMAIN word AS text NOT NULL; CREATE TABLE t (id bigint, name word, _load_id bigint)');
    const { outcomes } = await runs({ on_schema_change }, { 'a.csv': 'id,name\n1,x\n' }, { 'b.csv': 'id\n2\n' });
    expect(outcomes[1]).toMatchObject({ status: 'failed', errors: [{ file: 'b.csv' }] });
    await plane.rows('DROP TABLE t; DROP DOMAIN word');
  });

  it('leaves a locked type alone and fails the file', async () => {
    const schema = { columns: { zip: 'bigint' } } as const;
    const { outcomes } = await runs({ on_schema_change, schema }, { 'a.csv': 'zip\n1\n' }, { 'b.csv': 'zip\nx\n' });
    expect(outcomes[1]).toMatchObject({
      status: 'failed',
      errors: [{ file: 'b.csv', line: 2, column: 'zip', error_type: 'type_mismatch' }],
    });
    expect(await types()).toEqual({ zip: 'bigint' });
  });

  it('says which view keeps a column from being widened', async () => {
    const order = await plane.order({ on_schema_change });
    await plane.write('a.csv', 'v\n1\n');
    await plane.run(order);
    await plane.rows('CREATE VIEW watching AS SELECT v FROM t');
    await plane.write('b.csv', 'v\nx\n');
    expect(await plane.run(order)).toMatchObject({
      status: 'failed',
      errors: [
        { file: 'b.csv', error_type: 'schema_mismatch', message: expect.stringContaining('watching') as string },
      ],
    });
  });
});

describe('fail', () => {
  const on_schema_change = 'fail';

  it('loads nothing of a run in which one file differs, and lists what does', async () => {
    const { outcomes } = await runs(
      { on_schema_change },
      { 'a.csv': 'id,name,size\n1,x,5\n' },
      { 'b.csv': 'id,name,size\n2,y,6\n', 'c.csv': 'id,size,extra\n3,7,z\n' },
    );
    expect(outcomes[1]).toMatchObject({
      status: 'failed',
      errors: [
        {
          error_type: 'schema_mismatch',
          message: expect.stringMatching(/c\.csv differs .*\(\+ extra text\).*on_schema_change is "fail"/) as string,
        },
      ],
      metrics: { files_processed: 0, rows_ingested: 0 },
    });
    expect(await plane.rows('SELECT id FROM t')).toEqual([{ id: '1' }]);
  });

  it.each([
    ['a column that is gone', 'id,name\n2,y\n', '- size'],
    ['a value of another type', 'id,name,size\n2,y,big\n', '~ size bigint -> text'],
  ])('names %s', async (_, content, difference) => {
    const { outcomes } = await runs({ on_schema_change }, { 'a.csv': 'id,name,size\n1,x,5\n' }, { 'b.csv': content });
    expect(outcomes[1]?.errors[0]?.message).toContain(`(${difference})`);
    expect(await plane.rows('SELECT id FROM t')).toEqual([{ id: '1' }]);
  });

  it('ends the run for a file with other columns altogether', async () => {
    const { outcomes } = await runs(
      { on_schema_change },
      { 'a.csv': 'id\n1\n' },
      { 'b.csv': 'id\n2\n', 'c.csv': 'other\n3\n' },
    );
    expect(outcomes[1]).toMatchObject({ status: 'failed', errors: [{ file: 'c.csv', error_type: 'schema_mismatch' }] });
    expect(await plane.rows('SELECT id FROM t')).toEqual([{ id: '1' }]);
  });

  it('names a nested field', async () => {
    const { outcomes } = await runs(
      { on_schema_change },
      { 'a.ndjson': '{"id": 1, "at": {"zip": "1"}}\n' },
      { 'b.ndjson': '{"id": 2, "at": {"zip": "2", "city": "x"}}\n' },
    );
    expect(outcomes[1]?.errors[0]?.message).toContain('(+ at.city)');
    expect(await plane.rows('SELECT id FROM t')).toEqual([{ id: '1' }]);
  });
});

test('append_new_columns keeps a nested field as a schema version of its own', async () => {
  const { order, outcomes } = await runs(
    {},
    { 'a.ndjson': '{"id": 1, "items": [{"sku": "a"}]}\n' },
    { 'b.ndjson': '{"id": 2, "items": [{"sku": "a", "count": 2}]}\n' },
    { 'c.ndjson': '{"id": 3, "items": [{"count": 3}]}\n' },
  );
  expect(outcomes.map(({ errors }) => errors)).toEqual([[], [], []]);
  expect(await lastChanges(order)).toEqual({
    version: 2,
    file: 'b.ndjson',
    changes: [{ kind: 'added', column: 'items[].count', type: 'json' }],
  });
});

describe('rescue', () => {
  const on_schema_change = 'rescue';

  it('puts columns and values that do not fit into _rescued, as they stand', async () => {
    const { outcomes } = await runs(
      { on_schema_change },
      { 'a.csv': 'id,size\n1,5\n' },
      { 'b.csv': 'id,size,extra\n2,big,x\n3,6,\n' },
    );
    expect(outcomes.map(({ errors }) => errors)).toEqual([[], []]);
    expect(await plane.rows('SELECT id, size, _rescued FROM t ORDER BY id')).toEqual([
      { id: '1', size: '5', _rescued: null },
      { id: '2', size: null, _rescued: { size: 'big', extra: 'x' } },
      { id: '3', size: '6', _rescued: null },
    ]);
    expect(await types()).toEqual({ id: 'bigint', size: 'bigint', _rescued: 'jsonb' });
  });

  it('does so for JSON, with the values as JSON', async () => {
    await runs(
      { on_schema_change },
      { 'a.ndjson': '{"id": 1}\n' },
      { 'b.ndjson': '{"id": "x", "more": {"a": [1]}}\n' },
    );
    expect(await plane.rows('SELECT id, _rescued FROM t WHERE id IS NULL')).toEqual([
      { id: null, _rescued: { id: 'x', more: { a: [1] } } },
    ]);
  });
});

describe('what the person says of the columns', () => {
  it('a hint decides the type, and the others are found out', async () => {
    await runs(
      { schema: { columns: { zip: 'text', at: 'timestamp with time zone' } } },
      { 'a.csv': 'zip,at,n\n12345,2024-01-02T03:04:05Z,1\n' },
    );
    expect(await types()).toEqual({ zip: 'text', at: 'timestamp with time zone', n: 'bigint' });
  });

  it('all_text makes all columns text', async () => {
    await runs({ schema: { all_text: true } }, { 'a.csv': 'a,b\n1,2024-01-02\n' });
    expect(await types()).toEqual({ a: 'text', b: 'text' });
  });

  it('given columns are the whole table, and whatever else a file has is a change', async () => {
    const schema = { mode: 'given', columns: { b: 'integer', a: 'text' } } as const;
    const { outcomes } = await runs({ schema, on_schema_change: 'ignore' }, { 'a.csv': 'a,b,c\n1,2,3\n' });
    expect(outcomes[0]?.errors).toEqual([]);
    expect(await types()).toEqual({ b: 'integer', a: 'text' });
    expect(await plane.rows('SELECT a, b FROM t')).toEqual([{ a: '1', b: 2 }]);
  });

  it('"007" stays text without being told', async () => {
    await runs({}, { 'a.csv': 'code\n007\n' });
    expect(await plane.rows('SELECT code FROM t')).toEqual([{ code: '007' }]);
  });
});

describe('a table that somebody else has made', () => {
  it('takes values of types that only the server can read, and says which value it refuses', async () => {
    await plane.rows(
      `CREATE TYPE mood AS ENUM ('fine', 'bad'); CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
       CREATE TABLE t (at inet, price interval, m mood, n positive, _load_id bigint)`,
    );
    const { outcomes } = await runs(
      { on_schema_change: 'fail' },
      { 'a.csv': 'at,price,m,n\n10.0.0.1,2 days,fine,1\n' },
      { 'b.csv': 'at,price,m,n\nnowhere,1 day,fine,1\n' },
    );
    expect(outcomes[0]?.errors).toEqual([]);
    expect(await plane.rows('SELECT at::text, price::text, m::text, n FROM t')).toEqual([
      { at: '10.0.0.1/32', price: '2 days', m: 'fine', n: 1 },
    ]);
    expect(outcomes[1]).toMatchObject({
      status: 'failed',
      errors: [{ message: expect.stringContaining('nowhere') as string }],
    });
    await plane.rows('DROP TABLE t; DROP TYPE mood; DROP DOMAIN positive');
  });

  it('with a column of money is refused, for the server would round what is written there', async () => {
    await plane.rows('CREATE TABLE t (price money, _load_id bigint)');
    const { outcomes } = await runs({}, { 'a.csv': 'price\n1.005\n' });
    expect(outcomes[0]).toMatchObject({ status: 'failed', errors: [{ error_type: 'schema_mismatch' }] });
    expect(await plane.rows('SELECT 1 FROM t')).toEqual([]);
  });

  it.each(['ignore', 'fail'] as const)('is never altered under %s', async (on_schema_change) => {
    await plane.rows('CREATE TABLE t (id bigint, other text NOT NULL DEFAULT $$d$$, _load_id bigint)');
    const before = await types();
    await runs({ on_schema_change }, { 'a.csv': 'id\n1\n' }, { 'b.csv': 'id,new\nx,2\n' });
    expect(await types()).toEqual(before);
  });

  it('whose columns have the very names of the file is matched by them', async () => {
    await plane.rows('CREATE TABLE t ("Zip Code" text, _load_id bigint)');
    const { outcomes } = await runs({ on_schema_change: 'fail' }, { 'a.csv': 'Zip Code\n1\n' });
    expect(outcomes[0]?.errors).toEqual([]);
    expect(await plane.rows('SELECT "Zip Code" AS zip FROM t')).toEqual([{ zip: '1' }]);
  });
});
