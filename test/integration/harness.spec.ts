import { Client } from 'pg';
import { freshDatabase, templateDatabase, type TestDatabase } from '../support/database';
import { describeWithPrefect, realPrefect, startWorker } from '../support/prefect';

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows as Record<string, unknown>[];
  } finally {
    await client.end();
  }
}

describe('the databases of the tests', () => {
  const made: TestDatabase[] = [];
  const fresh = async (template?: string): Promise<TestDatabase> => {
    const database = await freshDatabase(template);
    made.push(database);
    return database;
  };
  afterAll(() => Promise.all(made.map((database) => database.drop())));

  it('are apart from each other and compare text by code point', async () => {
    const [one, other] = [await fresh(), await fresh()];
    await query(one.url, 'CREATE TABLE only_here ()');
    expect(await query(other.url, `SELECT to_regclass('only_here') AS found, 'B' < 'a' AS by_code_point`)).toEqual([
      { found: null, by_code_point: true },
    ]);
  });

  it('are copies of a template that is prepared once, also when several ask at the same time', async () => {
    let prepared = 0;
    const prepare = async (url: string): Promise<void> => {
      prepared += 1;
      await query(url, 'CREATE TABLE thing (id int); INSERT INTO thing VALUES (7)');
    };
    const names = await Promise.all([1, 2, 3].map(() => templateDatabase('harness_template', prepare)));
    const copies = await Promise.all(names.map((name) => fresh(name)));
    for (const copy of copies) expect(await query(copy.url, 'SELECT id FROM thing')).toEqual([{ id: 7 }]);
    expect(prepared).toBe(1);
  });
});

describeWithPrefect('the Prefect of the tests', () => {
  it('serves the version of the lock file and takes process workers', async () => {
    const { apiUrl } = await realPrefect();
    const version = (await (await fetch(`${apiUrl}/admin/version`)).json()) as unknown;
    expect(version).toBe('3.8.8');
    const pool = { name: 'harness', type: 'process' };
    await fetch(`${apiUrl}/work_pools/`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(pool),
    });
    const worker = await startWorker({ apiUrl, pool: 'harness', env: {}, cwd: process.cwd() });
    // It is online before its log is written.
    for (const end = Date.now() + 20_000; !worker.logs().includes('started') && Date.now() < end;)
      await new Promise((resolve) => setTimeout(resolve, 50));
    expect(worker.logs()).toContain('started');
    await worker.stop();
    expect(() => process.kill(worker.pid, 0)).toThrow('ESRCH');
  }, 300_000);
});
