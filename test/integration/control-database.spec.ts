import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { controlDatabase, describeSchema, migrate, pendingMigrations } from '@sluice/database';
import { Ingestion, ProcessedFile, Run, SchemaVersion, Tombstone } from '@sluice/ingestion';
import { DataSource } from 'typeorm';
import { migratedDatabase } from '../support/control-plane';
import { freshDatabase, type TestDatabase } from '../support/database';

const ENTITIES = [Ingestion, Run, ProcessedFile, SchemaVersion, Tombstone];

async function connected<T>(database: TestDatabase, work: (dataSource: DataSource) => Promise<T>): Promise<T> {
  const dataSource = await new DataSource({ ...controlDatabase(database.url), entities: ENTITIES }).initialize();
  try {
    return await work(dataSource);
  } finally {
    await dataSource.destroy();
  }
}

describe('migrations', () => {
  let database: TestDatabase;
  beforeEach(async () => {
    database = await freshDatabase();
  });
  afterEach(() => database.drop());

  it('run once each, though ten processes start at once', async () => {
    const done = await Promise.all(Array.from({ length: 10 }, () => migrate(database.url)));
    const names = await connected(database, (it) =>
      it.query<{ name: string }[]>('SELECT name FROM sluice_control.migration'),
    );
    expect(names.length).toBeGreaterThan(0);
    expect(done.flat().sort()).toEqual(names.map((it) => it.name).sort());
    expect(await migrate(database.url)).toEqual([]);
  });

  it('are told as pending until they have run', async () => {
    const before = await connected(database, pendingMigrations);
    expect(before).toContain('ControlTables1764000000000');
    await migrate(database.url);
    expect(await connected(database, pendingMigrations)).toEqual([]);
  });

  it('only go forward', async () => {
    await migrate(database.url);
    await expect(connected(database, (it) => it.undoLastMigration())).rejects.toThrow('Migrations only go forward');
  });

  it('run where the schema exists and the role may not create one', async () => {
    const role = `migrator_${randomUUID().slice(0, 8)}`;
    await connected(database, async (it) => {
      await it.query(`CREATE ROLE ${role} LOGIN PASSWORD 'x'`);
      await it.query(`CREATE SCHEMA sluice_control AUTHORIZATION ${role}`);
    });
    const url = Object.assign(new URL(database.url), { username: role, password: 'x' });
    const done = await migrate(url.href);
    await connected(database, async (it) => {
      await it.query(`DROP OWNED BY ${role} CASCADE`);
      await it.query(`DROP ROLE ${role}`);
    });
    expect(done).not.toEqual([]);
  });

  it('leave what else lies in the database alone', async () => {
    await connected(database, (it) => it.query('CREATE TABLE public.run (x int)'));
    await migrate(database.url);
    const tables = await connected(database, (it) =>
      it.query<{ name: string }[]>(
        `SELECT schemaname || '.' || tablename AS name FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema', 'sluice_control')`,
      ),
    );
    expect(tables).toEqual([{ name: 'public.run' }]);
  });
});

describe('the schema', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await migratedDatabase();
  });
  afterAll(() => database.drop());

  it('is the one that schema.sql shows; if not, run tools/generate-schema.mjs', async () => {
    const shown = await readFile(join(__dirname, '../../libs/database/schema.sql'), 'utf8');
    expect(await connected(database, describeSchema)).toBe(shown);
  });

  it('has exactly the columns that the entities know', async () => {
    await connected(database, async (dataSource) => {
      for (const entity of dataSource.entityMetadatas) {
        const rows = await dataSource.query<{ column_name: string; is_nullable: string }[]>(
          `SELECT column_name, is_nullable FROM information_schema.columns WHERE table_schema = 'sluice_control' AND table_name = $1`,
          [entity.tableName],
        );
        const known = entity.columns.map((it) => `${it.databaseName} ${it.isNullable ? 'YES' : 'NO'}`);
        expect(known.sort()).toEqual(rows.map((it) => `${it.column_name} ${it.is_nullable}`).sort());
      }
    });
  });

  it.each([
    ['a run that ended without a time', `UPDATE sluice_control.run SET status = 'failed'`, 'run_end_is_terminal'],
    ['a run that runs in no process', `UPDATE sluice_control.run SET status = 'running'`, 'run_running_has_executor'],
    ['an unknown status', `UPDATE sluice_control.run SET status = 'done', ended_at = now()`, 'run_status'],
    ['half a claim', `UPDATE sluice_control.ingestion SET operation = 'pause'`, 'ingestion_claim_is_whole'],
    [
      'a deployment without a schedule',
      `UPDATE sluice_control.ingestion SET prefect_deployment_id = id`,
      'ingestion_deployment_has_schedule',
    ],
  ])('refuses %s', async (_, statement, constraint) => {
    await connected(database, async (it) => {
      await it.query(`INSERT INTO sluice_control.ingestion (id, name, status, source, format, destination, on_schema_change, quality)
        VALUES ('00000000-0000-4000-8000-000000000001', 'x', 'draft', '{}', '{}', '{}', 'fail', '{}') ON CONFLICT DO NOTHING`);
      await it.query(`INSERT INTO sluice_control.run (id, ingestion_id, trigger, status, metrics)
        VALUES ('00000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-000000000001', 'manual', 'queued', '{}') ON CONFLICT DO NOTHING`);
      await expect(it.query(statement)).rejects.toThrow(constraint);
    });
  });
});
