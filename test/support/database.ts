import { randomUUID } from 'node:crypto';
import { Client, escapeIdentifier } from 'pg';

export interface TestDatabase {
  url: string;
  drop(): Promise<void>;
}

/**
 * A database of its own on the tests' PostgreSQL, empty or a copy of `template` (see `templateDatabase`).
 * `drop` sends everyone away who is still connected.
 */
export async function freshDatabase(template = 'template1'): Promise<TestDatabase> {
  const name = `t_${randomUUID().replaceAll('-', '')}`;
  await asSuperuser((client) => create(client, name, template));
  return { url: urlOf(name), drop: () => asSuperuser((client) => dropNow(client, name)) };
}

/**
 * The name of a database that `prepare` has filled once for all test files of this run (for instance with the migrations).
 * Test files which ask at the same time wait for the first; `prepare` must close its connections.
 */
export async function templateDatabase(name: string, prepare: (url: string) => Promise<void>): Promise<string> {
  await asSuperuser(async (client) => {
    await client.query('SELECT pg_advisory_lock(hashtext($1))', [name]);
    const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [name]);
    if (rowCount === 0) await makeTemplate(client, name, prepare);
  });
  return name;
}

async function makeTemplate(client: Client, name: string, prepare: (url: string) => Promise<void>): Promise<void> {
  const draft = `${name}_draft`;
  await dropNow(client, draft);
  await create(client, draft, 'template1');
  await prepare(urlOf(draft));
  await client.query(`ALTER DATABASE ${escapeIdentifier(draft)} RENAME TO ${escapeIdentifier(name)}`);
}

function urlOf(database: string): string {
  const url = new URL(postgresUrl());
  url.pathname = `/${database}`;
  return url.href;
}

function postgresUrl(): string {
  const url = process.env['SLUICE_TEST_POSTGRES_URL'];
  if (url === undefined) throw new Error('SLUICE_TEST_POSTGRES_URL is not set: test/support/global-setup.mjs sets it.');
  return url;
}

const TEMPLATE_IN_USE = '55006';
const TRIES = 20;

async function create(client: Client, name: string, template: string): Promise<void> {
  const sql = `CREATE DATABASE ${escapeIdentifier(name)} TEMPLATE ${escapeIdentifier(template)}`;
  for (let attempt = 1; ; attempt += 1) {
    try {
      await client.query(sql);
      return;
    } catch (error) {
      // Whoever has just left the template may still be seen in it for a moment.
      if (attempt === TRIES || (error as { code?: string }).code !== TEMPLATE_IN_USE) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

async function dropNow(client: Client, name: string): Promise<void> {
  await client.query(`DROP DATABASE IF EXISTS ${escapeIdentifier(name)} WITH (FORCE)`);
}

async function asSuperuser(work: (client: Client) => Promise<void>): Promise<void> {
  const client = new Client({ connectionString: postgresUrl() });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}
