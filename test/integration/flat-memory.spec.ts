import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { DuckDBInstance } from '@duckdb/node-api';
import { dataPlane, type Plane } from '../support/data-plane';

const MIB = 1024 * 1024;
const SIZE = 500 * MIB;

let plane: Plane;
beforeAll(async () => {
  plane = await dataPlane();
});
afterAll(() => plane.close());

/** The most memory this process held above where it began while `work` ran, in MiB. */
async function growth(work: () => Promise<unknown>): Promise<number> {
  const before = process.memoryUsage.rss();
  let most = before;
  const timer = setInterval(() => (most = Math.max(most, process.memoryUsage.rss())), 20);
  await work().finally(() => clearInterval(timer));
  return (most - before) / MIB;
}

async function run(pattern: string, rows: number): Promise<void> {
  const outcome = await plane.run(await plane.order({ pattern, table: pattern.replace(/\W/g, '_') }));
  expect(outcome).toMatchObject({ status: 'success', errors: [], metrics: { rows_ingested: rows } });
}

function* pieces(line: string, rows: number): Generator<string> {
  const each = 1000;
  for (let row = 0; row < rows; row += each) yield line.repeat(Math.min(each, rows - row));
}

test('a file of 500 MiB passes through a memory that stays small', async () => {
  const line = `12345,2024-01-01T00:00:00Z,1.25,"${'a text, '.repeat(50)}",${'x'.repeat(550)}\n`;
  const rows = Math.ceil(SIZE / line.length);
  await pipeline(
    ['id,at,price,note,more\n', ...pieces(line, rows)],
    createWriteStream(join(plane.folder, 'large.csv')),
  );
  expect(await growth(() => run('large.csv', rows))).toBeLessThan(380);
}, 120_000);

test('a Parquet file of many chunks does, too', async () => {
  const instance = await DuckDBInstance.create(':memory:', { threads: '2', memory_limit: '200MB' });
  const duckDb = await instance.connect();
  await duckDb.run(
    `COPY (SELECT n, 'a text of more than twelve bytes ' || n AS s, n * 0.5 AS d FROM range(1500000) AS t (n)) TO '${join(plane.folder, 'large.parquet')}' (FORMAT parquet, ROW_GROUP_SIZE 100000)`,
  );
  duckDb.closeSync();
  expect(await growth(() => run('large.parquet', 1_500_000))).toBeLessThan(380);
}, 120_000);
