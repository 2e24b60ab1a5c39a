import type { RunParameters, RunningOrder, SchemaChange, SchemaSpec } from '@sluice/ingestion';
import { dataPlane, type OrderOverrides, type Plane } from '../support/data-plane';

const FULL: RunParameters = { kind: 'refresh', scope: 'full' };

let plane: Plane;
beforeAll(async () => {
  plane = await dataPlane();
});
beforeEach(() => plane.clean());
afterAll(() => plane.close());

async function types(): Promise<Record<string, string>> {
  const rows = await plane.rows<{ name: string; type: string }>(
    `SELECT attname AS name, format_type(atttypid, atttypmod) AS type FROM pg_attribute
     WHERE attrelid = 't'::regclass AND attnum > 0 AND NOT attisdropped AND attname <> '_load_id' ORDER BY attnum`,
  );
  return Object.fromEntries(rows.map(({ name, type }) => [name, type]));
}

async function versions(order: RunningOrder): Promise<{ file: string; changes: SchemaChange[] }[]> {
  return plane.control(
    `SELECT file, changes FROM sluice_control.schema_version WHERE ingestion_id = '${order.id}' ORDER BY version`,
  );
}

/** As after a PUT. */
function hinted(order: RunningOrder, schema: Partial<SchemaSpec>): RunningOrder {
  return { ...order, schema: { ...order.schema, ...schema } };
}

async function loaded(overrides: OrderOverrides, content: string): Promise<RunningOrder> {
  const order = await plane.order(overrides);
  await plane.write('a.csv', content);
  expect((await plane.run(order)).errors).toEqual([]);
  return order;
}

const refreshed = (order: RunningOrder, schema: Partial<SchemaSpec>) =>
  plane.run(hinted(order, schema), { parameters: FULL });

describe('refresh/full after the hints have changed', () => {
  it.each(['append_new_columns', 'ignore', 'fail', 'sync_all_columns', 'rescue'] as const)(
    'gives a column the narrower type that the person wants: %s',
    async (on_schema_change) => {
      const order = await loaded({ on_schema_change, schema: { columns: { id: 'text' } } }, 'id,v\n1,x\n2,y\n');
      expect((await refreshed(order, { columns: { id: 'integer' } })).errors).toEqual([]);
      expect(await plane.rows('SELECT id, v FROM t ORDER BY id')).toEqual([
        { id: 1, v: 'x' },
        { id: 2, v: 'y' },
      ]);
      expect((await versions(order))[1]).toEqual({
        file: 'schema',
        changes: [{ kind: 'retyped', column: 'id', type: 'integer', before: 'text' }],
      });
      await plane.write('b.csv', 'id,v\n3,z\n');
      expect((await plane.run(hinted(order, { columns: { id: 'integer' } }))).errors).toEqual([]);
      expect(await versions(order)).toHaveLength(2);
    },
  );

  it('makes all columns text with all_text, and finds their types out again without it', async () => {
    const order = await loaded({}, 'id,day\n1,2024-01-02\n');
    const before = await types();
    expect((await refreshed(order, { all_text: true })).errors).toEqual([]);
    expect(await types()).toEqual({ id: 'text', day: 'text' });
    expect((await versions(order))[1]?.changes).toEqual([
      { kind: 'widened', column: 'id', type: 'text', before: 'bigint' },
      { kind: 'widened', column: 'day', type: 'text', before: 'date' },
    ]);
    expect((await refreshed(order, {})).errors).toEqual([]);
    expect(await types()).toEqual(before);
    expect((await versions(order))[2]?.changes).toMatchObject([{ kind: 'retyped' }, { kind: 'retyped' }]);
    expect((await refreshed(order, {})).errors).toEqual([]);
    expect(await versions(order)).toHaveLength(3);
  });

  it('finds a type out from every value of every file when its hint was taken away', async () => {
    const order = await plane.order({ schema: { mode: 'given', columns: { id: 'text', v: 'text' } } });
    for (let n = 10; n < 50; n++) await plane.write(`${n}.csv`, `id,v\n${n},${n}\n`);
    await plane.write('99.csv', 'id,v\n99,late\n');
    expect((await plane.run(order)).errors).toEqual([]);
    const outcome = await refreshed(order, { mode: 'infer', columns: {} });
    expect(outcome).toMatchObject({ errors: [], metrics: { files_processed: 41, rows_ingested: 41 } });
    expect(await types()).toEqual({ id: 'bigint', v: 'text' });
  });

  it('leaves the types that no hint was changed of as they are', async () => {
    const order = await loaded({}, 'id,v,w\n1,2,3\n');
    await plane.rows('ALTER TABLE t ALTER v TYPE numeric(10,2)');
    expect((await refreshed(order, { columns: { w: 'text' } })).errors).toEqual([]);
    expect(await types()).toEqual({ id: 'bigint', v: 'numeric(10,2)', w: 'text' });
  });

  it('keeps merge keys, indexes, grants, comments and views of other columns', async () => {
    const order = await loaded({ write_mode: 'merge', merge_keys: ['id'] }, 'id,v\n1,2\n');
    await plane.rows(
      `CREATE INDEX mine ON t (v); GRANT SELECT ON t TO PUBLIC; COMMENT ON TABLE t IS 'a'; COMMENT ON COLUMN t.v IS 'b';
       CREATE VIEW seen AS SELECT id FROM t`,
    );
    expect((await refreshed(order, { columns: { v: 'text' } })).errors).toEqual([]);
    expect(await types()).toEqual({ id: 'bigint', v: 'text' });
    const facts = `SELECT obj_description('t'::regclass) AS a, col_description('t'::regclass, 2) AS b, to_regclass('mine') IS NOT NULL AS indexed,
      has_table_privilege('public', 't', 'select') AS granted, (SELECT count(*)::int FROM pg_index WHERE indrelid = 't'::regclass) AS indexes`;
    expect(await plane.rows(facts)).toEqual([{ a: 'a', b: 'b', indexed: true, granted: true, indexes: 2 }]);
    expect(await plane.rows('SELECT id::int FROM seen')).toEqual([{ id: 1 }]);
  });

  it.each([
    ['a view', 'CREATE VIEW seen AS SELECT 1 AS one FROM t WHERE v > 1', 'view seen, for it reads the column v'],
    ['a CHECK', 'ALTER TABLE t ADD CONSTRAINT positive CHECK (v > 0)', 'constraint positive of the column v'],
    ['an index on an expression', 'CREATE INDEX twice ON t ((v * 2))', 'index twice on an expression of the column v'],
    ['a generated column', 'ALTER TABLE t ADD d bigint GENERATED ALWAYS AS (v * 2) STORED', 'generated column "d"'],
    ['a default', 'ALTER TABLE t ALTER v SET DEFAULT 7', 'default for column "v"'],
  ])('is refused with the name of what depends on the type, and nothing is changed: %s', async (_, sql, told) => {
    const order = await loaded({}, 'id,v\n1,2\n');
    await plane.rows(sql);
    const outcome = await refreshed(order, { columns: { v: 'date' } });
    expect(outcome).toMatchObject({ status: 'failed', errors: [{ error_type: 'schema_mismatch', retryable: false }] });
    expect(outcome.errors[0]?.message).toContain(told);
    expect(await types()).toMatchObject({ id: 'bigint', v: 'bigint' });
    expect(await plane.rows('SELECT v::int FROM t')).toEqual([{ v: 2 }]);
    expect(await versions(order)).toHaveLength(1);
  });

  it('is refused with the name of an index whose operators the new type does not have', async () => {
    const order = await loaded({}, 'id,v\n1,2\n');
    await plane.rows('CREATE INDEX ops ON t USING brin (v int8_minmax_multi_ops)');
    const outcome = await refreshed(order, { columns: { v: 'text' } });
    expect(outcome).toMatchObject({ status: 'failed', errors: [{ error_type: 'schema_mismatch', retryable: false }] });
    expect(outcome.errors[0]?.message).toContain('The index ops cannot be built on the new table');
    expect(await types()).toEqual({ id: 'bigint', v: 'bigint' });
    expect(await versions(order)).toHaveLength(1);
  });

  it('keeps its version when it is executed again after a commit whose process died before that', async () => {
    const order = hinted(await loaded({}, 'id,v\n1,2\n'), { columns: { v: 'text' } });
    await plane.run(order, { parameters: FULL });
    const before = await versions(order);
    const [last] = await plane.rows<{ run: string }>('SELECT run FROM sluice.ledger');
    const runId = last?.run ?? '';
    await plane.control(`DELETE FROM sluice_control.schema_version WHERE ingestion_id = '${order.id}' AND version = 2`);
    await plane.control(
      `UPDATE sluice_control.run SET status = 'running', ended_at = NULL, executor = gen_random_uuid() WHERE id = '${runId}'`,
    );
    const request = { order, runId, parameters: FULL, executor: runId, signal: new AbortController().signal };
    const report = { log: () => undefined, progress: () => undefined };
    expect(await plane.orchestrator.runIngestion({ ...request, report })).toMatchObject({ status: 'success' });
    expect(before).toHaveLength(2);
    expect(await versions(order)).toEqual(before);
  });

  it('keeps the old table and the old version when a value does not fit the type given', async () => {
    const order = await loaded({ schema: { columns: { v: 'text' } } }, 'id,v\n1,2\n2,x\n');
    expect(await refreshed(order, { columns: { v: 'integer' } })).toMatchObject({
      status: 'failed',
      errors: [{ file: 'a.csv', line: 3, column: 'v' }],
    });
    expect(await plane.rows('SELECT v FROM t ORDER BY id')).toEqual([{ v: '2' }, { v: 'x' }]);
    expect(await versions(order)).toHaveLength(1);
  });

  it('takes a new column up at the same time, in a version of its own', async () => {
    const order = await loaded({ schema: { columns: { id: 'text' } } }, 'id\n1\n');
    await plane.write('b.csv', 'id,v\n2,x\n');
    expect((await refreshed(order, { columns: { id: 'integer' } })).errors).toEqual([]);
    expect(await types()).toEqual({ id: 'integer', v: 'text' });
    expect((await versions(order)).map(({ changes }) => changes.map(({ kind }) => kind))).toEqual([
      ['added'],
      ['added'],
      ['retyped'],
    ]);
  });

  it('keeps and loads a column that a given schema no longer names, until it is dropped by hand', async () => {
    const given = { mode: 'given', columns: { id: 'integer', v: 'text' } } as const;
    const order = await loaded({ on_schema_change: 'ignore', schema: given }, 'id,v,w\n1,x,y\n');
    const fewer = { mode: 'given', columns: { id: 'integer' } } as const;
    expect((await refreshed(order, fewer)).errors).toEqual([]);
    expect(await types()).toEqual({ id: 'integer', v: 'text' });
    expect(await plane.rows('SELECT id, v FROM t')).toEqual([{ id: 1, v: 'x' }]);
    await plane.rows('ALTER TABLE t DROP COLUMN v');
    await plane.write('b.csv', 'id,v,w\n2,x,y\n');
    expect((await plane.run(hinted(order, fewer))).errors).toEqual([]);
    expect((await refreshed(order, fewer)).errors).toEqual([]);
    expect(await plane.rows('SELECT * FROM t ORDER BY id')).toEqual([
      { id: 1, _load_id: expect.anything() as unknown },
      { id: 2, _load_id: expect.anything() as unknown },
    ]);
  });

  it.each(['append_new_columns', 'ignore', 'fail'] as const)(
    'respects the types of a table that somebody else has made: %s',
    async (on_schema_change) => {
      await plane.rows('CREATE TABLE t (id numeric(10,2), v text, _load_id bigint)');
      const order = await loaded({ on_schema_change }, 'id,v\n1,2\n');
      expect((await refreshed(order, { columns: { id: 'text' }, all_text: true })).errors).toEqual([]);
      expect(await types()).toEqual({ id: 'numeric(10,2)', v: 'text' });
      expect(await versions(order)).toHaveLength(1);
    },
  );
});

test('overwrite gives the types that the person wants at its next run with something new', async () => {
  const order = await loaded({ write_mode: 'overwrite', schema: { columns: { id: 'text' } } }, 'id\n1\n');
  await plane.write('b.csv', 'id\n2\n');
  expect((await plane.run(hinted(order, { columns: { id: 'integer' } }))).errors).toEqual([]);
  expect(await plane.rows('SELECT id FROM t ORDER BY id')).toEqual([{ id: 1 }, { id: 2 }]);
});
