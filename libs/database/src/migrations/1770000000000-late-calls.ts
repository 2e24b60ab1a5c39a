import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Until when a call of a failed operation may still arrive in Prefect; null once the two were compared after that. */
const INGESTION = `
ALTER TABLE sluice_control.ingestion ADD COLUMN late_calls_until timestamptz;
CREATE INDEX ingestion_with_late_calls ON sluice_control.ingestion (late_calls_until) WHERE late_calls_until IS NOT NULL;
`;

export class LateCalls1770000000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(INGESTION);
  }

  down(): Promise<void> {
    throw new Error('Migrations only go forward: write the next one.');
  }
}
