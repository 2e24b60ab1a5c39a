import pg from 'pg';
import type { PostgresDataSourceOptions } from 'typeorm/driver/postgres/PostgresDataSourceOptions';
import { MIGRATIONS } from './migrations';

/** All control tables lie here, so that control and destination may be one database (the destination's own schema is `sluice`). */
export const CONTROL_SCHEMA = 'sluice_control';
export const MIGRATIONS_TABLE = 'migration';

/** Connection of the control database. Times are stored with zone; `synchronize` and automatic migrations are never on. */
export function controlDatabase(url: string): PostgresDataSourceOptions {
  return {
    type: 'postgres',
    // TypeORM would look for it by a name made at run time, which a bundle cannot follow.
    driver: pg,
    url,
    schema: CONTROL_SCHEMA,
    synchronize: false,
    migrationsRun: false,
    migrations: [...MIGRATIONS],
    migrationsTableName: MIGRATIONS_TABLE,
    migrationsTransactionMode: 'each',
    applicationName: 'sluice-control',
    poolSize: 10,
    connectTimeoutMS: 5_000,
  };
}
