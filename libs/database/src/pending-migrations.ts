import type { DataSource } from 'typeorm';
import { CONTROL_SCHEMA, MIGRATIONS_TABLE } from './options';
import { rowsOf } from './rows-of';

/** Names of the migrations this program knows and the database has not run; `[]` when ready. Writes nothing; rejects when the database cannot be reached. */
export async function pendingMigrations(dataSource: DataSource): Promise<string[]> {
  const done = new Set(await executed(dataSource));
  return dataSource.migrations
    .map((migration) => migration.name ?? migration.constructor.name)
    .filter((n) => !done.has(n));
}

async function executed(dataSource: DataSource): Promise<string[]> {
  const table = `${CONTROL_SCHEMA}.${MIGRATIONS_TABLE}`;
  const [found] = await rowsOf<{ there: boolean }>(dataSource, 'SELECT to_regclass($1) IS NOT NULL AS there', [table]);
  if (!found?.there) return [];
  const rows = await rowsOf<{ name: string }>(dataSource, `SELECT name FROM ${table} ORDER BY name`);
  return rows.map(({ name }) => name);
}
