import { fork, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import { Client } from 'pg';
import { migratedDatabase, until } from '../support/control-plane';
import type { TestDatabase } from '../support/database';
import { startFakePrefect, type FakePrefect } from '../support/fake-prefect';

interface Replica {
  process: ChildProcess;
  url: string;
  /** Its user in the database, by which the lock's holder is told. */
  user: string;
}

let fake: FakePrefect;
let database: TestDatabase;
let sql: Client;
const replicas: Replica[] = [];

beforeAll(async () => {
  [fake, database] = [await startFakePrefect(), await migratedDatabase()];
  sql = new Client({ connectionString: database.url });
  await sql.connect();
  replicas.push(...(await Promise.all([startReplica(), startReplica()])));
}, 120_000);
afterAll(async () => {
  await Promise.all(replicas.map(({ process }) => killed(process)));
  for (const { user } of replicas) await sql.query(`DROP ROLE ${user}`);
  await sql.end();
  await fake.stop();
  await database.drop();
}, 30_000);

async function startReplica(): Promise<Replica> {
  const user = `replica_${randomUUID().replaceAll('-', '')}`;
  await sql.query(`CREATE ROLE ${user} SUPERUSER LOGIN PASSWORD '${user}'`);
  const url = Object.assign(new URL(database.url), { username: user, password: user }).href;
  const urls = { DATABASE_URL: url, DESTINATION_URL: url, PREFECT_API_URL: fake.apiUrl };
  const env = { ...process.env, ...urls, LOG_LEVEL: 'silent', SLUICE_RECONCILE_SECONDS: '0' };
  const child = fork(join(__dirname, '../support/api-process.mjs'), { env, execArgv: [] });
  const [message] = (await once(child, 'message')) as [{ url: string }];
  return { process: child, url: message.url, user };
}

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

async function leaders(): Promise<string[]> {
  const { rows } = await sql.query<{ usename: string }>(
    `SELECT a.usename FROM pg_locks l JOIN pg_stat_activity a USING (pid)
     WHERE l.locktype = 'advisory' AND l.granted AND a.application_name = 'sluice-leader' AND a.datname = current_database()`,
  );
  return rows.map(({ usename }) => usename);
}

/** As soon as its probe has reached Prefect. */
async function create({ url }: Replica): Promise<string> {
  await until(() => isInitialized(url), 20_000);
  const body = {
    name: `trips ${randomUUID()}`,
    source: { type: 'file', path: 'data' },
    destination: { table: 'trips' },
  };
  const answer = await fetch(`${url}/api/v1/ingestions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ...body, schedule: { frequency: 'daily', time: '06:00' } }),
  });
  if (answer.status !== 201) throw new Error(`${answer.status}: ${await answer.text()}`);
  return ((await answer.json()) as { id: string }).id;
}

async function isInitialized(url: string): Promise<boolean> {
  const answer = await fetch(`${url}/api/v1/orchestration/status`);
  return ((await answer.json()) as { initialized: boolean }).initialized;
}

async function expectMending(id: string): Promise<void> {
  const deployment = fake.deployments.find((it) => it.name === `ingestion-${id}`)!;
  deployment.paused = true;
  await until(() => !deployment.paused, 90_000);
}

describe('two processes of the API', () => {
  it('have one leader, and its death hands over: what differs is mended before and after', async () => {
    await until(async () => (await leaders()).length === 1, 20_000);
    const [leader] = await leaders();
    const dying = replicas.find(({ user }) => user === leader)!;
    const heir = replicas.find(({ user }) => user !== leader)!;
    const id = await create(heir);
    await expectMending(id);
    expect(await leaders()).toEqual([dying.user]);

    const died = Date.now();
    await killed(dying.process);
    await until(async () => (await leaders()).includes(heir.user), 20_000);
    process.stderr.write(`leadership went over ${Date.now() - died} ms after kill -9\n`);
    expect(await leaders()).toEqual([heir.user]);
    await expectMending(id);
  }, 300_000);

  it('hand over also when the leader is frozen, and it does not lead when it wakes up', async () => {
    replicas.push(await startReplica());
    await until(async () => (await leaders()).length === 1, 20_000);
    const [leader] = await leaders();
    const frozen = replicas.find(({ user }) => user === leader)!;
    frozen.process.kill('SIGSTOP');
    const since = Date.now();
    try {
      await until(async () => !(await leaders()).includes(frozen.user) && (await leaders()).length === 1, 60_000);
      process.stderr.write(`leadership went over ${Date.now() - since} ms after SIGSTOP\n`);
    } finally {
      frozen.process.kill('SIGCONT');
    }
    await expectMending(await create(frozen));
    expect(await leaders()).not.toContain(frozen.user);
  }, 300_000);
});
