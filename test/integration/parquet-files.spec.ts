import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { dataPlane, type Plane } from '../support/data-plane';

/** DuckDB writes the files and says what is in them; what arrives in PostgreSQL must be the same. */
let plane: Plane;
let duckDb: DuckDBConnection;
beforeAll(async () => {
  plane = await dataPlane();
  duckDb = await (await DuckDBInstance.create(':memory:', { threads: '2' })).connect();
  await duckDb.run("SET TimeZone = 'UTC'");
});
beforeEach(() => plane.clean());
afterAll(async () => {
  duckDb.closeSync();
  await plane.close();
});

async function writeParquet(path: string, query: string, options = ''): Promise<void> {
  await mkdir(join(plane.folder, path, '..'), { recursive: true });
  await duckDb.run(`COPY (${query}) TO '${join(plane.folder, path)}' (FORMAT parquet${options})`);
}

async function asked(query: string): Promise<unknown[][]> {
  return (await duckDb.runAndReadAll(query)).getRowsJson();
}

async function loaded(select: string, from = 't'): Promise<unknown[][]> {
  return (await plane.rows(`SELECT ${select} FROM ${from}`)).map((row) => Object.values(row));
}

test('a value of every type that DuckDB writes arrives unchanged, NULLs too', async () => {
  const types: [sql: string, postgres: string][] = [
    ['true::BOOLEAN', 'v::text'],
    ['(-128)::TINYINT', 'v::text'],
    ['255::UTINYINT', 'v::text'],
    ['(-32768)::SMALLINT', 'v::text'],
    ['65535::USMALLINT', 'v::text'],
    ['(-2147483648)::INTEGER', 'v::text'],
    ['4294967295::UINTEGER', 'v::text'],
    ['(-9223372036854775808)::BIGINT', 'v::text'],
    ['9007199254740993::BIGINT', 'v::text'],
    ['18446744073709551615::UBIGINT', 'v::text'],
    ['1.50::DECIMAL(4,2)', 'v::text'],
    ['(-0.05)::DECIMAL(9,2)', 'v::text'],
    ['123456789012345.678::DECIMAL(18,3)', 'v::text'],
    [`'${'9'.repeat(18)}.${'1234567890'.repeat(2)}'::DECIMAL(38,20)`, 'v::text'],
    ["DATE '0001-01-01'", 'v::text'],
    ["DATE '2024-02-29'", 'v::text'],
    ["DATE '9999-12-31'", 'v::text'],
    ["TIME '23:59:59.999999'", 'v::text'],
    ["TIME '00:00:00'", 'v::text'],
    ["TIMESTAMP '1899-12-31 23:59:59.999999'", 'v::text'],
    ["TIMESTAMP '2024-01-01 00:00:00.000001'", 'v::text'],
    ["TIMESTAMP_S '2300-01-01 00:00:00'", 'v::text'],
    ["TIMESTAMP_MS '2024-01-01 00:00:00.123'", 'v::text'],
    ["TIMESTAMP_NS '2024-01-01 00:00:00.123456'", 'v::text'],
    ["TIMESTAMPTZ '2024-07-01 10:00:00.5+05:30'", 'v::text'],
    ["'short'", 'v'],
    [`'${'long ü😀 '.repeat(30)}'`, 'v'],
    ["''", 'v'],
    ["'a''b\"c\\d'", 'v'],
    ["'6f1a0c2e-0000-4000-8000-0123456789ab'::UUID", 'v::text'],
    ["'b'::ENUM ('a', 'b')", 'v'],
    ['\'{"a": [1, 2.50]}\'::JSON', 'v::text'],
  ];
  for (const [index, [sql]] of types.entries())
    await writeParquet(
      `types/${index}.parquet`,
      `SELECT * FROM (VALUES (1, ${sql}), (2, NULL), (3, ${sql})) AS t (n, v)`,
    );
  for (const [index, [sql, postgres]] of types.entries()) {
    const order = await plane.order({ pattern: `types/${index}.parquet`, table: `v${index}` });
    const outcome = await plane.run(order);
    expect([sql, outcome.errors]).toEqual([sql, []]);
    await plane.rows("SET TimeZone = 'UTC'");
    const expected = await asked(`SELECT ${sql}::VARCHAR`);
    const rows = await loaded(`n, ${postgres} AS v`, `v${index}`);
    expect([sql, rows]).toEqual([
      sql,
      [
        [1, expected[0]?.[0]],
        [2, null],
        [3, expected[0]?.[0]],
      ],
    ]);
  }
}, 180_000);

test('floating point keeps every bit', async () => {
  await writeParquet(
    'a.parquet',
    `SELECT * FROM (VALUES (0.1, 0.1::FLOAT), (1e308, 3e38::FLOAT), (5e-324, 1e-45::FLOAT), ('-inf', 'nan'), ('-0'::DOUBLE, 1.0::FLOAT)) AS t (d, f)`.replace(
      '0.1, 0.1::FLOAT',
      '0.1::DOUBLE, 0.1::FLOAT',
    ),
  );
  expect((await plane.run(await plane.order())).errors).toEqual([]);
  const hex = await loaded(`encode(float8send(d), 'hex') AS d, encode(float4send(f), 'hex') AS f`);
  expect(hex).toEqual([
    ['3fb999999999999a', '3dcccccd'],
    ['7fe1ccf385ebc8a0', '7f61b1e6'],
    ['0000000000000001', '00000001'],
    ['fff0000000000000', '7fc00000'],
    ['8000000000000000', '3f800000'],
  ]);
});

test('binary values arrive byte for byte', async () => {
  await writeParquet('a.parquet', `SELECT '\\x00\\xFF\\x41'::BLOB AS b UNION ALL SELECT repeat('\\xAB', 1)::BLOB`);
  expect((await plane.run(await plane.order())).errors).toEqual([]);
  expect(await loaded(`encode(b, 'hex') AS b`)).toEqual([['00ff41'], ['ab']]);
});

test('nested values keep every digit', async () => {
  const query = `SELECT {'d': 12345678901234567890.1234567890::DECIMAL(38,10), 'u': 18446744073709551615::UBIGINT, 'b': 9007199254740993::BIGINT,
      't': TIMESTAMP '2024-01-01 10:20:30.123456', 'ns': TIMESTAMP_NS '2024-01-01 00:00:00.123456789', 's': 'x"y\\z ü', 'l': [1.10::DECIMAL(5,2), NULL]} AS s,
    [0.1::DOUBLE, 1e300] AS l, MAP {'k': 12345678901234567890::DECIMAL(20,0)} AS m`;
  await writeParquet('a.parquet', query);
  expect((await plane.run(await plane.order())).errors).toEqual([]);
  const [row] = await plane.rows<{
    d: string;
    u: string;
    b: string;
    t: string;
    ns: string;
    s: string;
    e: string;
    l: string;
    m: string;
  }>(
    `SELECT s->>'d' AS d, s->>'u' AS u, s->>'b' AS b, s->>'t' AS t, s->>'ns' AS ns, s->>'s' AS s, s->'l'->>0 AS e, (l->>0 || ' ' || (l->>1)::float8::text) AS l, m->>'k' AS m FROM t`,
  );
  expect({
    ...row,
    d: Number(row?.d.replace(/0+$/, '').replace('.', '')) === 0 ? row?.d : row?.d.replace(/0+$/, ''),
  }).toEqual({
    d: '12345678901234567890.123456789',
    u: '18446744073709551615',
    b: '9007199254740993',
    t: '2024-01-01 10:20:30.123456',
    ns: '2024-01-01 00:00:00.123456789',
    s: 'x"y\\z ü',
    e: '1.1',
    l: '0.1 1e+300',
    m: '12345678901234567890',
  });
});

test('nested decimals equal what DuckDB has, whatever their digits', async () => {
  await duckDb.run('SELECT setseed(0.5)');
  await duckDb.run(`CREATE TABLE d AS SELECT n::INTEGER AS n, CAST((random() * 1e9)::BIGINT || '.' || lpad(((random() * 1e9)::BIGINT % 1000000000)::VARCHAR, 9, '0') AS DECIMAL(38,9)) AS v,
    CAST((hash(n) % 1000000000000000000)::VARCHAR || '.' || lpad((hash(n + 1) % 1000000000)::VARCHAR, 9, '0') AS DECIMAL(38,9)) AS w FROM range(2000) AS t (n)`);
  await writeParquet('a.parquet', 'SELECT n, {v: v, w: [w]} AS s FROM d');
  expect((await plane.run(await plane.order())).errors).toEqual([]);
  const rows = await loaded(
    `(s->>'v')::numeric(38,9)::text AS v, (s->'w'->>0)::numeric(38,9)::text AS w`,
    't ORDER BY n',
  );
  expect(rows).toEqual(await asked('SELECT v::VARCHAR, w::VARCHAR FROM d ORDER BY n'));
});

test('300,000 rows with strings of all lengths and NULLs everywhere are the same on both sides', async () => {
  const query = `SELECT n, CASE WHEN n % 7 = 0 THEN NULL ELSE repeat(chr((97 + n % 26)::INTEGER), (n % 40)::INTEGER) || n END AS s, CASE WHEN n % 5 = 0 THEN NULL ELSE n * 1.25 END::DECIMAL(18,2) AS d,
    CASE n % 3 WHEN 0 THEN 'constant text of more than twelve bytes' WHEN 1 THEN 'short' END AS e FROM range(300000) AS t (n)`;
  await writeParquet('a.parquet', query, ', ROW_GROUP_SIZE 50000');
  const outcome = await plane.run(await plane.order());
  expect(outcome).toMatchObject({ errors: [], metrics: { rows_ingested: 300_000 } });
  const sum = (text: string) =>
    `count(*)::INTEGER, sum(n)::VARCHAR, count(s)::INTEGER, sum(d)::VARCHAR, count(e)::INTEGER, md5(${text})`;
  const line = `coalesce(s, '-') || coalesce(d::VARCHAR, '-') || coalesce(e, '-')`;
  const expected = await asked(
    `SELECT ${sum(`string_agg(${line}, '|' ORDER BY n)`)} FROM read_parquet('${join(plane.folder, 'a.parquet')}')`,
  );
  const [row] = await plane.rows(
    `SELECT count(*)::int AS a, sum(n)::text AS b, count(s)::int AS c, sum(d)::text AS d, count(e)::int AS e, md5(string_agg(${line}, '|' ORDER BY n)) AS f FROM t`,
  );
  expect(Object.values(row ?? {})).toEqual(expected[0]);
}, 180_000);

test('strings of megabytes arrive whole', async () => {
  await writeParquet('a.parquet', `SELECT n, repeat(chr((97 + n)::INTEGER), 3000000) AS s FROM range(12) AS t (n)`);
  expect((await plane.run(await plane.order())).errors).toEqual([]);
  const expected = await asked(
    `SELECT n::INTEGER, md5(s) FROM read_parquet('${join(plane.folder, 'a.parquet')}') ORDER BY n`,
  );
  expect(await loaded('n::int AS n, md5(s) AS s', 't ORDER BY n')).toEqual(expected);
}, 180_000);

test('a file of no rows is loaded as such', async () => {
  await writeParquet('a.parquet', `SELECT 1 AS id, 'x' AS name WHERE false`);
  expect(await plane.run(await plane.order())).toMatchObject({
    status: 'success',
    errors: [],
    metrics: { files_processed: 1, rows_ingested: 0 },
  });
});

test('folders named like partitions do not change the values of a file', async () => {
  await writeParquet('year=2020/a.parquet', 'SELECT 1 AS id, 1999 AS year');
  expect((await plane.run(await plane.order({ pattern: '**/*.parquet' }))).errors).toEqual([]);
  expect(await loaded('id, year')).toEqual([[1, 1999]]);
});

test('a file whose name looks like a pattern is that file alone', async () => {
  for (const [name, id] of [
    ['a*', 1],
    ['ab', 2],
    ['x[1]', 3],
    ['x1', 4],
    ['q?', 5],
  ] as const)
    await writeParquet(`${name}.parquet`, `SELECT ${id} AS id`);
  expect(await plane.run(await plane.order())).toMatchObject({ errors: [], metrics: { rows_ingested: 5 } });
  expect(await loaded('id', 't ORDER BY id')).toEqual([[1], [2], [3], [4], [5]]);
});

test('a column called file_row_number is a column like any other', async () => {
  await writeParquet('a.parquet', `SELECT 5 AS file_row_number, TIMESTAMP_NS '2024-01-01 00:00:00.123456789' AS at`);
  expect(await plane.run(await plane.order())).toMatchObject({
    status: 'failed',
    errors: [{ line: 1, column: 'at', error_type: 'type_mismatch' }],
  });
});

test.each([
  ['nanoseconds', "TIMESTAMP_NS '2024-01-01 00:00:00.123456789'", 'timestamp', 'timestamp without time zone'],
  ['an infinite timestamp', "'infinity'::TIMESTAMP", 'timestamp', 'timestamp without time zone'],
  ['a wider number', '3000000000', 'integer', 'integer'],
  ['a fraction', '1.5::DOUBLE', 'bigint', 'bigint'],
  ['a long integer', '9007199254740993', 'double precision', 'double precision'],
  ['a word', "'abc'", 'numeric', 'numeric'],
  ['digits with a blank', "' 5'", 'numeric', 'numeric'],
  ['leading zeros', "'007'", 'bigint', 'bigint'],
  ['a word', "'abc'", 'uuid', 'uuid'],
  ['not a number', "'nan'::DOUBLE", 'numeric', 'numeric'],
  ['a moment without a zone', "TIMESTAMP '2024-01-01 00:00:00'", 'timestamptz', 'timestamp with time zone'],
  ['a moment with a zone', "TIMESTAMPTZ '2024-01-01 00:00:00+00'", 'timestamp', 'timestamp without time zone'],
  ['too many decimals', '1.239::DECIMAL(5,3)', 'numeric(10,2)', 'numeric(10,2)'],
  ['too many microseconds', "TIMESTAMP '2024-01-01 00:00:00.1234'", 'timestamp(3)', 'timestamp(3) without time zone'],
  ['too long a text', "'ab  '", 'varchar(3)', 'character varying(3)'],
])('%s that the column cannot hold fails the file with its row (%s into %s)', async (_, sql, type, told) => {
  await plane.rows(`CREATE TABLE t (n integer, v ${type}, w text, _load_id bigint)`);
  await writeParquet(
    'a.parquet',
    `SELECT * FROM (VALUES (1, NULL, 'w'), (2, ${sql}, 'w'), (3, ${sql}, 'w')) AS t (n, v, w)`,
  );
  const outcome = await plane.run(await plane.order());
  expect(outcome).toMatchObject({
    status: 'failed',
    errors: [{ file: 'a.parquet', line: 2, column: 'v', error_type: 'type_mismatch' }],
  });
  expect(outcome.errors[0]?.message).toMatch(
    new RegExp(
      `^Row 2, column v: .* cannot be stored as ${told.replace(/[()]/g, '\\$&')} without changing it\\. Correct the value\\.$`,
    ),
  );
});

test('large and small floating point fits a numeric column', async () => {
  await plane.rows('CREATE TABLE t (v numeric, _load_id bigint)');
  await writeParquet('a.parquet', 'SELECT unnest([1e20::DOUBLE, 1.5e-7, 0.1]) AS v');
  expect((await plane.run(await plane.order())).errors).toEqual([]);
  expect(await loaded('v::text')).toEqual([['100000000000000000000'], ['0.00000015'], ['0.1']]);
});

test('a NUL or a nested NaN is refused with its row by the server, and others load', async () => {
  await writeParquet(
    'a.parquet',
    `SELECT * FROM (VALUES (1, 'x', [1::DOUBLE]), (2, 'a' || chr(0), [1::DOUBLE])) AS t (n, s, l)`,
  );
  await writeParquet(
    'b.parquet',
    `SELECT * FROM (VALUES (1, 'x', [1::DOUBLE]), (2, 'y', [2::DOUBLE]), (3, 'z', ['nan'::DOUBLE])) AS t (n, s, l)`,
  );
  await writeParquet('c.parquet', `SELECT 4 AS n, 'x' AS s, [1::DOUBLE] AS l`);
  const outcome = await plane.run(await plane.order());
  expect(outcome).toMatchObject({
    status: 'partial',
    errors: [
      { file: 'a.parquet', line: 2 },
      { file: 'b.parquet', line: 3 },
    ],
  });
  expect(await loaded('n')).toEqual([[4]]);
});

test('what is no Parquet fails with a sentence that shows no path, and others load', async () => {
  await plane.write('a.parquet', 'id,name\n1,x\n');
  await plane.write('b.parquet', '');
  await writeParquet('c.parquet', 'SELECT 1 AS id');
  const outcome = await plane.run(await plane.order());
  expect(outcome).toMatchObject({
    status: 'partial',
    errors: [
      { file: 'a.parquet', error_type: 'malformed' },
      { file: 'b.parquet', error_type: 'malformed' },
    ],
  });
  for (const { message } of outcome.errors) {
    expect(message).not.toContain(plane.folder);
    expect(message).toMatch(/cannot be read as Parquet: .*\. Write the file again\.$/);
  }
});
