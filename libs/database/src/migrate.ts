import { DataSource, MigrationExecutor, type QueryRunner } from 'typeorm';
import { CONTROL_SCHEMA, controlDatabase } from './options';

/** Key of the advisory lock under which migrations run; any number nobody else in this database uses. */
const MIGRATION_LOCK = 7_305_001;

/**
 * Brings the control database up to date and resolves with the names of what was run (`[]`: it was up to date).
 * One connection, under an advisory lock: any number of processes may call it at once, each migration runs once.
 */
export async function migrate(url: string): Promise<string[]> {
  const dataSource = await new DataSource({ ...controlDatabase(url), poolSize: 1 }).initialize();
  try {
    return await underLock(dataSource.createQueryRunner());
  } finally {
    await dataSource.destroy();
  }
}

async function underLock(runner: QueryRunner): Promise<string[]> {
  try {
    await runner.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    await ensureSchema(runner);
    const done = await new MigrationExecutor(runner.dataSource, runner).executePendingMigrations();
    return done.map((migration) => migration.name);
  } finally {
    await runner.query('SELECT pg_advisory_unlock($1)', [MIGRATION_LOCK]).catch(() => undefined);
    await runner.release();
  }
}

/** Looks first: `CREATE SCHEMA IF NOT EXISTS` asks for the right to create even when the schema is there. */
async function ensureSchema(runner: QueryRunner): Promise<void> {
  const [found] = (await runner.query('SELECT to_regnamespace($1) AS oid', [CONTROL_SCHEMA])) as {
    oid: string | null;
  }[];
  if (!found?.oid) await runner.query(`CREATE SCHEMA ${CONTROL_SCHEMA}`);
}
