/**
 * `libs/database/schema.sql`: the control schema as the catalog of a running PostgreSQL describes it after all migrations.
 *
 *   node tools/generate-schema.mjs [url]     url (or GENERATE_POSTGRES_URL): a PostgreSQL where a database may be made
 *
 * Works in a database of its own, which is dropped again.
 */
import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import pg from 'pg';
import { requireTypeScript } from './typescript.mjs';

const SCHEMA = new URL('../libs/database/schema.sql', import.meta.url);

const server = process.argv[2] ?? process.env['GENERATE_POSTGRES_URL'];
if (server === undefined) throw new Error('Give the URL of a PostgreSQL where a database may be made.');

const { controlDatabase, describeSchema, migrate } = requireTypeScript('libs/database/src/index.ts');
const { DataSource } = requireTypeScript('typeorm');

const name = `schema_${randomUUID().replaceAll('-', '')}`;
const url = new URL(server);
url.pathname = `/${name}`;

/** @param {string} statement */
async function onServer(statement) {
  const client = new pg.Client({ connectionString: server });
  await client.connect();
  await client.query(statement).finally(() => client.end());
}

await onServer(`CREATE DATABASE ${name}`);
try {
  await migrate(url.href);
  const dataSource = await new DataSource(controlDatabase(url.href)).initialize();
  writeFileSync(SCHEMA, await describeSchema(dataSource));
  await dataSource.destroy();
} finally {
  await onServer(`DROP DATABASE ${name} WITH (FORCE)`);
}
