/**
 * The control database: its connection, its forward-only migrations and the readable dump of its schema.
 * Knows nothing of the domain; entities register themselves where they live.
 */
export { DatabaseModule } from './database.module';
export { CONTROL_SCHEMA, controlDatabase } from './options';
export { migrate } from './migrate';
export { pendingMigrations } from './pending-migrations';
export { describeSchema } from './describe-schema';
export { LeaderLock } from './leader-lock';
export { impatientClient } from './impatient-client';
export { isDatabaseOutage, isOutage } from './outage';
export { OwnConnection } from './own-connection';
export { PATIENCE_MS, patiently } from './patience';
export { rowsOf, type SqlRunner } from './rows-of';
