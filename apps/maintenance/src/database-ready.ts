import { controlDatabase, pendingMigrations } from '@sluice/database';
import { ConfigError, counted } from '@sluice/kernel';
import { DataSource } from 'typeorm';

/** Commands leave the schema to the API. Throws `ConfigError` when the database cannot be reached or is not up to date. */
export async function assertMigrated(url: string): Promise<void> {
  const dataSource = new DataSource({ ...controlDatabase(url), poolSize: 1 });
  const pending = await dataSource
    .initialize()
    .then(() => pendingMigrations(dataSource))
    .catch((error: unknown) => {
      throw new ConfigError([`DATABASE_URL: the control database cannot be used: ${reasonOf(error)}`]);
    })
    .finally(() => (dataSource.isInitialized ? dataSource.destroy() : undefined));
  if (pending.length === 0) return;
  throw new ConfigError([
    `DATABASE_URL: the control database is not up to date (${counted(pending.length, 'migration')} pending): start the API of this version once`,
  ]);
}

/** An address that resolves to several gives an `AggregateError`, whose message is empty. */
function reasonOf(error: unknown): string {
  const { message, code } = error as { message?: string; code?: string };
  return message || (code ?? String(error));
}
