import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DuckDBConnection } from '@duckdb/node-api';
import type { LoadColumn, ReadPlan } from '@sluice/connectors';
import { DuckDb } from '../../libs/connectors/src/duckdb';
import { ParquetReader } from '../../libs/connectors/src/formats/parquet/parquet-reader';
import { aPlan, diskFile, type LoadDesk, loadDesk } from '../support/load-file';

/** Values of Parquet that become JSON where DuckDB's own JSON would not hold them as they are. */
let desk: LoadDesk;
let folder: string;
let duckDb: DuckDb;
let writer: DuckDBConnection;
beforeAll(async () => {
  desk = await loadDesk();
  folder = await mkdtemp(join(tmpdir(), 'sluice-parquet-'));
  duckDb = new DuckDb({ memoryMb: 160, threads: 2, tempDir: folder });
  writer = await duckDb.session();
});
afterAll(async () => {
  writer.closeSync();
  await duckDb.close();
  await desk.close();
  await rm(folder, { recursive: true });
});

/** The rows of a query, written to a file and loaded; each row ends with `_rescued`. */
async function loaded(query: string, plan: ReadPlan): Promise<unknown[][]> {
  const path = join(folder, 'a.parquet');
  await writer.run(`COPY (${query}) TO '${path}' (FORMAT parquet)`);
  const file = await new ParquetReader(duckDb).open(await diskFile(path), plan);
  const table = await desk.table(file.columns);
  await desk.load(table, file, plan);
  const names = [...file.columns.map(({ name }) => `"${name}"::text`), '_rescued::text'];
  const { rows } = await desk.client.query<unknown[]>({
    text: `SELECT ${names.join(', ')} FROM ${table} ORDER BY _row`,
    rowMode: 'array',
  });
  return rows;
}

function column(source: string, type: LoadColumn['type']): LoadColumn {
  return { source, name: source, type };
}

const JSON_TEXT = `'{"x": 0.12345678901234567890123456789}'::JSON`;

it('nested decimals without a digit before the point are loaded, in lists, maps and groups', async () => {
  const query = `SELECT * FROM (VALUES
    ({'a': 0.5::DECIMAL(2,2), 'it''s "b"': [-0.05::DECIMAL(2,2), NULL]}, [{'d': 0::DECIMAL(38,38)}, NULL], MAP {'k "1"': 0.25::DECIMAL(3,3)}),
    ({'a': NULL, 'it''s "b"': []}, [], MAP {}),
    (NULL, NULL, NULL)) AS t (g, l, m)`;
  const columns = [column('g', 'jsonb'), column('l', 'jsonb'), column('m', 'jsonb')];
  expect(await loaded(query, aPlan(columns))).toEqual([
    ['{"a": 0.50, "it\'s \\"b\\"": [-0.05, null]}', `[{"d": 0.${'0'.repeat(38)}}, null]`, '{"k \\"1\\"": 0.250}', null],
    ['{"a": null, "it\'s \\"b\\"": []}', '[]', '{}', null],
    [null, null, null, null],
  ]);
});

it('such a decimal is written alike into text and into what is rescued', async () => {
  const query = `SELECT 0.5::DECIMAL(2,2) AS t, -0.05::DECIMAL(2,2) AS n, {'a': 0.5::DECIMAL(1,1)} AS g, 0.25::DECIMAL(2,2) AS other`;
  const columns = [column('t', 'text'), column('n', 'integer'), column('g', 'integer')];
  expect(await loaded(query, aPlan(columns, { unknown: 'rescue', unfit: 'rescue' }))).toEqual([
    ['0.50', null, null, '{"g": {"a": 0.5}, "n": -0.05, "other": 0.25}'],
  ]);
});

it('embedded JSON keeps all digits of its numbers, nested and rescued too', async () => {
  const query = `SELECT ${JSON_TEXT} AS j, {'j': ${JSON_TEXT}} AS g, ${JSON_TEXT} AS other`;
  const columns = [column('j', 'jsonb'), column('g', 'jsonb')];
  const kept = '{"x": 0.12345678901234567890123456789}';
  expect(await loaded(query, aPlan(columns, { unknown: 'rescue' }))).toEqual([
    [kept, `{"j": ${kept}}`, `{"other": ${kept}}`],
  ]);
});

it('a text that is no JSON does not fit a column of JSON', async () => {
  const query = `SELECT * FROM (VALUES (1, '{"a": 1.50}'), (2, '{oops')) AS t (n, j)`;
  const columns = [column('n', 'integer'), column('j', 'jsonb')];
  expect(await loaded(query, aPlan(columns, { unfit: 'rescue' }))).toEqual([
    ['1', '{"a": 1.50}', null],
    ['2', null, '{"j": "{oops"}'],
  ]);
});
