import { mkdtempSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DuckDBConnection } from '@duckdb/node-api';
import type { CopyOrder, LoadColumn, OpenedFile, ReadPlan } from '@sluice/connectors';
import { DuckDb } from '../../libs/connectors/src/duckdb';
import { BadFile, UnknownColumns } from '../../libs/connectors/src/errors';
import { ParquetReader } from '../../libs/connectors/src/formats/parquet/parquet-reader';
import { aPlan, diskFile, type LoadDesk, loadDesk } from '../support/load-file';

/** Parquet written here by DuckDB, or by pyarrow (test/fixtures), read into a real PostgreSQL. */
const FIXTURES = join(__dirname, '../fixtures/parquet');
const spill = mkdtempSync(join(tmpdir(), 'sluice-spill-'));
const duckDb = new DuckDb({ memoryMb: 160, threads: 2, tempDir: spill });
const reader = new ParquetReader(duckDb);

let desk: LoadDesk;
let folder: string;
let writer: DuckDBConnection;
beforeAll(async () => {
  desk = await loadDesk();
  folder = await mkdtemp(join(tmpdir(), 'sluice-parquet-'));
  writer = await duckDb.session();
});
afterAll(async () => {
  writer.closeSync();
  await duckDb.close();
  await desk.close();
  for (const path of [folder, spill]) await rm(path, { recursive: true });
});

let files = 0;
async function written(query: string): Promise<string> {
  const path = join(folder, `${++files}.parquet`);
  await writer.run(`COPY (${query}) TO '${path}' (FORMAT parquet)`);
  return path;
}

function column(source: string, type: LoadColumn['type'], more: Partial<LoadColumn> = {}): LoadColumn {
  return { source, name: source, type, ...more };
}

async function opened(path: string, plan: ReadPlan): Promise<OpenedFile> {
  return reader.open(await diskFile(path), plan);
}

/** What is in the table after loading, by row number; each row ends with `_rescued` and its number. */
async function loaded(path: string, plan: ReadPlan, order: Partial<CopyOrder> = {}) {
  const file = await opened(path, plan);
  const table = await desk.table(file.columns);
  const { rejections } = await desk.load(table, file, plan, order);
  const names = file.columns.map(({ name }) => `"${name}"::text`);
  const text = `SELECT ${[...names, '_rescued', '_row::int'].join(', ')} FROM ${table} ORDER BY _row`;
  const { rows } = await desk.client.query<unknown[]>({ text, rowMode: 'array' });
  return { rows, rejections };
}

async function failure(path: string, plan: ReadPlan): Promise<unknown> {
  return loaded(path, plan).then(
    () => 'it was loaded',
    (error: unknown) => error,
  );
}

const MIXED = `SELECT * FROM (VALUES (1, 10::BIGINT, 'a'), (2, 3000000000, 'b'), (3, NULL, 'c' || chr(0)), (4, 40, NULL)) AS t (n, v, s)`;
const MIXED_COLUMNS = [column('n', 'integer'), column('v', 'integer'), column('s', 'text')];
const TOO_LARGE = '3000000000 cannot be stored as integer without changing it. Correct the value.';

describe('what a file declares', () => {
  it('is told with types, reasons and nested fields', async () => {
    const path = await written(
      `SELECT 1::INTEGER AS id, 1.5::DECIMAL(10,2) AS price, TIMESTAMP '2024-01-01' AS at, {'zip': '1', 'geo': {'x': 1}} AS address,
        [{'sku': 'a'}] AS items, MAP {'k': 1} AS tags`,
    );
    const file = await opened(path, aPlan([], { unknown: 'ignore' }));
    file.close();
    expect(file.declared).toEqual([
      { source: 'id', type: 'integer', why: 'The file declares INT32 (INT_32).' },
      { source: 'price', type: 'numeric', why: 'The file declares INT64 (DECIMAL(10,2)).' },
      { source: 'at', type: 'timestamp without time zone', why: 'The file declares INT64 (TIMESTAMP_MICROS).' },
      {
        source: 'address',
        type: 'jsonb',
        why: 'The file declares a group of fields.',
        fields: ['geo', 'geo.x', 'zip'],
      },
      { source: 'items', type: 'jsonb', why: 'The file declares LIST.', fields: ['[].sku'] },
      { source: 'tags', type: 'jsonb', why: 'The file declares MAP.', fields: [] },
    ]);
  });

  it('and the plan does not know is reported, nested fields too', async () => {
    const path = await written(`SELECT 1 AS id, 2 AS extra, {'a': 1, 'b': 2} AS s, [{'c': 3}] AS l`);
    const nested = [column('s', 'jsonb', { fields: ['a'] }), column('l', 'jsonb', { fields: [] })];
    const error = await failure(path, aPlan([column('id', 'integer'), ...nested]));
    expect(error).toBeInstanceOf(UnknownColumns);
    expect((error as UnknownColumns).columns).toEqual(['extra', 's.b', 'l[].c']);
  });

  it('in names that differ only in case are two columns with their own names', async () => {
    const path = join(FIXTURES, 'cased.parquet');
    expect((await reader.infer([await diskFile(path)])).columns.map(({ source }) => source)).toEqual(['id', 'ID']);
    const plan = aPlan([column('ID', 'bigint'), column('id', 'bigint', { name: 'id_2' })]);
    expect((await loaded(path, plan)).rows).toEqual([['1', '2', null, 1]]);
  });

  it('tells at once which columns of the plan are missing', async () => {
    const file = await opened(await written('SELECT 1 AS a'), aPlan([column('a', 'integer'), column('b', 'text')]));
    file.close();
    expect(file.missing()).toEqual(['b']);
    expect(file.columns.map(({ source }) => source)).toEqual(['a']);
  });
});

describe('a row with a value that does not fit', () => {
  it('fails the file with its number, column and value', async () => {
    const error = await failure(await written(MIXED), aPlan(MIXED_COLUMNS));
    expect(error).toBeInstanceOf(BadFile);
    expect(error).toMatchObject({
      type: 'type_mismatch',
      place: { line: 2, column: 'v' },
      message: `Row 2, column v: ${TOO_LARGE}`,
    });
  });

  it('is left out where bad rows are rejected, with the row as JSON, and the others are loaded', async () => {
    const { rows, rejections } = await loaded(await written(MIXED), aPlan(MIXED_COLUMNS, { badRows: 'reject' }));
    expect(rows).toEqual([
      ['1', '10', 'a', null, 1],
      ['4', '40', null, null, 4],
    ]);
    expect(rejections).toEqual([
      {
        record: 2,
        line: null,
        column: 'v',
        type: 'type_mismatch',
        reason: `Row 2, column v: ${TOO_LARGE}`,
        raw: '{"n":2,"v":3000000000,"s":"b"}',
      },
      {
        record: 3,
        line: null,
        column: 's',
        type: 'type_mismatch',
        reason: 'Row 3, column s: c\u2400 holds a NUL character, which PostgreSQL cannot store. Correct the value.',
        raw: '{"n":3,"v":null,"s":"c\\u0000"}',
      },
    ]);
  });

  it('is told in the order of the file, whoever found it', async () => {
    const path = await written(
      `SELECT n, CASE WHEN n % 3 = 0 THEN 'x' ELSE n::VARCHAR END AS a, CASE WHEN n % 5 = 0 THEN 'nan'::DOUBLE ELSE n END AS b
       FROM range(1, 20001) AS t (n)`,
    );
    const plan = aPlan([column('n', 'bigint'), column('a', 'numeric'), column('b', 'numeric')], { badRows: 'reject' });
    const { rows, rejections } = await loaded(path, plan);
    const bad = Array.from({ length: 20000 }, (_, i) => i + 1).filter((n) => n % 3 === 0 || n % 5 === 0);
    expect(rejections.map(({ record }) => record)).toEqual(bad);
    const inRaw = rejections.map(({ raw }) => (JSON.parse(raw.replace('NaN', '0')) as { n: number }).n);
    expect(inRaw).toEqual(bad);
    expect(rejections.filter(({ record, column }) => column !== (record % 5 === 0 ? 'b' : 'a'))).toEqual([]);
    expect(rows).toHaveLength(20000 - bad.length);
    expect(rows.filter(([n, , , , row]) => Number(n) !== row)).toEqual([]);
  });

  it('is told with a raw row of at most 64 KiB', async () => {
    const path = await written(`SELECT 'nan'::DOUBLE AS v, repeat('ü', 50000) AS s`);
    const plan = aPlan([column('v', 'numeric'), column('s', 'text')], { badRows: 'reject' });
    const [rejection] = (await loaded(path, plan)).rejections;
    expect(rejection?.raw.startsWith('{"v":NaN,"s":"ü')).toBe(true);
    expect(Buffer.byteLength(rejection?.raw ?? '')).toBeLessThanOrEqual(64 * 1024 + 3);
  });
});

describe('where values are rescued', () => {
  const rescue = { unfit: 'rescue', unknown: 'rescue', badRows: 'reject' } as const;

  it('those that do not fit and those without a column stand in _rescued, and nothing else does', async () => {
    const path = await written(
      `SELECT * FROM (VALUES (1, 10::BIGINT, 'x', NULL, '1'), (2, 3000000000, 'y', 1.50::DECIMAL(4,2), 'many "words"'), (3, 7, 'z', NULL, NULL))
       AS t (n, v, s, extra, num)`,
    );
    const columns = [column('n', 'integer'), column('v', 'integer'), column('s', 'text'), column('num', 'numeric')];
    const { rows, rejections } = await loaded(path, aPlan(columns, rescue));
    expect(rejections).toEqual([]);
    expect(rows).toEqual([
      ['1', '10', 'x', '1', null, 1],
      ['2', null, 'y', null, { v: 3000000000, extra: 1.5, num: 'many "words"' }, 2],
      ['3', '7', 'z', null, null, 3],
    ]);
  });

  it('values that JSON has no number for are kept as text', async () => {
    const path = await written(
      `SELECT 1 AS n, 'nan'::DOUBLE AS d, ['inf'::DOUBLE, 1] AS l, 1e300 AS big, [2.5::DOUBLE] AS more, ['nan'::FLOAT] AS none`,
    );
    const columns = [column('n', 'integer'), column('d', 'numeric'), column('l', 'jsonb'), column('big', 'real')];
    expect((await loaded(path, aPlan(columns, rescue))).rows).toEqual([
      ['1', null, null, null, { d: 'nan', l: '[inf, 1.0]', big: 1e300, more: [2.5], none: '[nan]' }, 1],
    ]);
  });

  it('a NUL character, which not even JSON in PostgreSQL can hold, rejects its row', async () => {
    const path = await written(`SELECT 1 AS n, 'a' || chr(0) AS s UNION ALL SELECT 2, 'b'`);
    const { rows, rejections } = await loaded(path, aPlan([column('n', 'integer'), column('s', 'text')], rescue));
    expect(rows).toEqual([['2', 'b', null, 2]]);
    expect(rejections).toMatchObject([{ record: 1, column: 's' }]);
    const unknown = await loaded(path, aPlan([column('n', 'integer')], rescue));
    expect(unknown.rows).toEqual([['2', { s: 'b' }, 2]]);
    expect(unknown.rejections).toMatchObject([{ record: 1, column: 's', raw: '{"n":1,"s":"a\\u0000"}' }]);
  });

  it('a value of a merge key that does not fit rejects its row', async () => {
    const path = await written(`SELECT * FROM (VALUES (1::BIGINT), (3000000000), (NULL)) AS t (id)`);
    const { rows, rejections } = await loaded(path, aPlan([column('id', 'integer', { required: true })], rescue));
    expect(rows).toEqual([['1', null, 1]]);
    expect(rejections.map(({ record, reason }) => [record, reason])).toEqual([
      [2, `Row 2, column id: ${TOO_LARGE}`],
      [3, 'Row 3, column id: it is a merge key and has no value. Fill it in.'],
    ]);
  });
});

it('a file without a merge key is refused', async () => {
  const plan = aPlan([column('a', 'integer'), column('id', 'integer', { required: true })]);
  expect(await failure(await written('SELECT 1 AS a'), plan)).toMatchObject({
    type: 'schema_mismatch',
    message: expect.stringMatching(/lacks what rows are merged by: id\. Add it to the file\.$/) as string,
  });
});

describe('rows that the server refused', () => {
  it('are rejected at the next try with what it said', async () => {
    const refused = new Map([[2, { column: 'n', reason: 'it is too small' }]]);
    const path = await written('SELECT n FROM range(1, 5) AS t (n)');
    const { rows, rejections } = await loaded(path, aPlan([column('n', 'bigint')], { badRows: 'reject' }), { refused });
    expect(rows.map(([n]) => n)).toEqual(['1', '3', '4']);
    expect(rejections).toEqual([
      { record: 2, line: null, column: 'n', type: 'destination', reason: 'it is too small', raw: '{"n":2}' },
    ]);
  });

  it('are found by their place among the rows sent', async () => {
    const path = await written(
      `SELECT CASE WHEN n % 2 = 0 THEN 'x' ELSE n::VARCHAR END AS n FROM range(1, 10001) AS t (n)`,
    );
    const file = await opened(path, aPlan([column('n', 'numeric')], { badRows: 'reject' }));
    const refused = new Map([[1, { column: null, reason: '' }]]);
    expect(await file.locate(1, new Map())).toEqual({ record: 1, line: null });
    expect(await file.locate(4000, new Map())).toEqual({ record: 7999, line: null });
    expect(await file.locate(4000, refused)).toEqual({ record: 8001, line: null });
    expect(await file.locate(5001, new Map())).toBeNull();
    file.close();
  });
});

it('a column that the server casts is sent as text', async () => {
  const path = await written(`SELECT '10.0.0.1' AS ip, INTERVAL 3 DAY AS span`);
  const plan = aPlan([column('ip', 'text', { cast: 'inet' }), column('span', 'text')]);
  expect((await loaded(path, plan)).rows).toEqual([['10.0.0.1', '3 days', null, 1]]);
});

it('strings of all lengths, alone and out of a dictionary in any order, arrive as they are', async () => {
  const path = await written(
    `SELECT n, CASE WHEN n % 7 = 0 THEN NULL ELSE repeat(chr((97 + n % 26)::INTEGER), (hash(n) % 60)::INTEGER) || n END AS own,
       CASE WHEN n % 5 = 0 THEN NULL ELSE 'word ' || (hash(n) % 900) || repeat('ü', (hash(n) % 900)::INTEGER) END AS word,
       CASE WHEN n % 100 = 0 THEN repeat('x' || n, 3000) END AS long
     FROM range(15000) AS t (n)`,
  );
  const columns = [column('n', 'bigint'), ...['own', 'word', 'long'].map((name) => column(name, 'text'))];
  const file = await opened(path, aPlan(columns));
  const table = await desk.table(columns);
  await desk.load(table, file, aPlan(columns));
  const sums = ['own', 'word', 'long'].map((name) => `md5(string_agg(coalesce(${name}, '-'), '|' ORDER BY n))`);
  const here = await desk.client.query({ text: `SELECT ${sums.join(', ')} FROM ${table}`, rowMode: 'array' });
  const there = await writer.runAndReadAll(`SELECT ${sums.join(', ')} FROM '${path}'`);
  expect(here.rows).toEqual(there.getRows());
});

describe('nanoseconds that DuckDB would cut off', () => {
  const bad = (n: number) => n % 7 === 0 && n % 11 !== 0;
  const all = Array.from({ length: 700 }, (_, n) => n);
  const shown: Record<string, string> = {
    zoned_nanoseconds: 'timestamp with time zone',
    int96: 'timestamp without time zone',
  };

  it.each(Object.entries(shown))('reject their rows: %s', async (name, type) => {
    const plan = aPlan([column('n', 'integer'), column('at', type as LoadColumn['type'])], { badRows: 'reject' });
    const { rows, rejections } = await loaded(join(FIXTURES, `${name}.parquet`), plan);
    expect(rejections.map(({ record }) => record - 1)).toEqual(all.filter(bad));
    expect(rows.map(([n]) => Number(n))).toEqual(all.filter((n) => !bad(n)));
    const micros = (n: number) => new Date((n - 350) * 1e9 + 123).toISOString().slice(0, 23).replace('T', ' ');
    const zone = type.includes('without') ? '' : '+00';
    const expected = all.filter((n) => !bad(n)).map((n) => (n % 11 === 0 ? null : `${micros(n)}456${zone}`));
    expect(rows.map(([, at]) => at)).toEqual(expected);
    expect(rejections.at(-1)?.reason).toBe(
      `Row 687, column at: ${micros(686)}456${zone} and 1 ns cannot be stored as ${type} without changing it. Correct the value.`,
    );
  });

  it('are not rescued without them', async () => {
    const plan = aPlan([column('n', 'integer')], { unknown: 'rescue', unfit: 'rescue', badRows: 'reject' });
    const { rows, rejections } = await loaded(join(FIXTURES, 'int96.parquet'), plan);
    expect(rejections).toHaveLength(all.filter(bad).length);
    expect(rows).toHaveLength(all.filter((n) => !bad(n)).length);
  });

  it('do not matter where nobody wants the column, and no copy is made', async () => {
    const plan = aPlan([column('n', 'integer')], { unknown: 'ignore' });
    expect((await loaded(join(FIXTURES, 'int96.parquet'), plan)).rows).toHaveLength(700);
  });

  it('are looked for in a copy that is gone afterwards', async () => {
    const copies = async () => (await readdir(spill)).filter((name) => name.startsWith('sluice-'));
    const plan = aPlan([column('at', 'timestamp without time zone')], { unknown: 'ignore' });
    const file = await opened(join(FIXTURES, 'int96.parquet'), plan);
    expect(await copies()).toHaveLength(1);
    file.close();
    expect(await copies()).toEqual([]);
  });
});

it('a map that has a key twice is refused, for JSON would keep one of them', async () => {
  const plan = aPlan([column('m', 'jsonb')], { badRows: 'reject' });
  const { rejections } = await loaded(join(FIXTURES, 'map_key_twice.parquet'), plan);
  expect(rejections.map(({ record }) => record)).toEqual([2]);
});

test.each([
  [
    'encrypted',
    /^encrypted\.parquet cannot be read as Parquet: .*encrypt.* write it without encryption: Sluice has no keys\.$/,
  ],
  ['encrypted_column', /If it is encrypted, write it without encryption: Sluice has no keys\.$/],
  ['wide_decimal', /^Column wide of wide_decimal\.parquet holds decimals of 60 digits, .* as text\.$/],
  [
    'nested_nanoseconds',
    /^Column nested_moments of nested_nanoseconds\.parquet holds nested moments of nanoseconds, .* as microseconds\.$/,
  ],
  ['cut_off', /^cut_off\.parquet cannot be read as Parquet: .* Write the file again\.$/],
])('%s is refused in a sentence', async (name, message) => {
  const columns = ['id', 'secret', 'n', 'wide', 'nested_moments'].map((source) => column(source, 'text'));
  const error = await failure(join(FIXTURES, `${name}.parquet`), aPlan(columns));
  expect(error).toBeInstanceOf(BadFile);
  expect((error as BadFile).message).toMatch(message);
});

it('more columns than are allowed are refused', async () => {
  const few = new ParquetReader(duckDb, 2);
  const file = await diskFile(await written('SELECT 1 AS a, 2 AS b, 3 AS c'));
  await expect(few.open(file, aPlan([]))).rejects.toMatchObject({
    type: 'limit',
    message: expect.stringMatching(/ has 3 columns, more than 2 \(SLUICE_MAX_COLUMNS\)\. Write fewer\.$/) as string,
  });
});

it('an aborted load ends', async () => {
  const abort = new AbortController();
  const file = await opened(await written('SELECT n FROM range(1000000) AS t (n)'), aPlan([column('n', 'bigint')]));
  const order: CopyOrder = {
    sink: () => {
      abort.abort(new Error('stop'));
      return Promise.resolve(true);
    },
    loadId: 1n,
    numbered: false,
    reject: () => undefined,
    refused: new Map(),
    signal: abort.signal,
  };
  await expect(file.copyTo(order)).rejects.toThrow('stop');
  file.close();
});
