import { open } from 'node:fs/promises';
import { join } from 'node:path';
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

/** The same bytes again and again, so that writing a large file leaves nothing behind in memory. */
async function writeLarge(path: string, header: string, piece: Buffer, times: number): Promise<void> {
  const file = await open(join(plane.folder, path), 'w');
  await file.write(header);
  for (let n = 0; n < times; n++) await file.write(piece);
  await file.close();
}

test('a Parquet file of many chunks passes through a memory that stays small', async () => {
  const instance = await DuckDBInstance.create(':memory:', { threads: '2', memory_limit: '200MB' });
  const duckDb = await instance.connect();
  await duckDb.run(
    `COPY (SELECT n, repeat('long text ', 45) || n AS s FROM range(1200000) AS t (n)) TO '${join(plane.folder, 'large.parquet')}' (FORMAT parquet, ROW_GROUP_SIZE 50000)`,
  );
  duckDb.closeSync();
  expect(await growth(() => run('large.parquet', 1_200_000))).toBeLessThan(350);
}, 120_000);

test('a file of 500 MiB passes through a memory that stays small, also when the server does not read for a while', async () => {
  const line = `12345,2024-01-01T00:00:00Z,1.25,"${'a text, '.repeat(50)}",${'x'.repeat(550)}\n`;
  const pieces = Math.ceil(SIZE / line.length / 1000);
  await writeLarge('large.csv', 'id,at,price,note,more\n', Buffer.from(line.repeat(1000)), pieces);
  await plane.rows(`CREATE TABLE large_csv (id bigint, at timestamptz, price float8, note text, more text, _load_id bigint);
    CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(4); RETURN NULL; END $$;
    CREATE TRIGGER pause BEFORE INSERT ON large_csv EXECUTE FUNCTION pause()`);
  expect(await growth(() => run('large.csv', pieces * 1000))).toBeLessThan(380);
}, 120_000);
