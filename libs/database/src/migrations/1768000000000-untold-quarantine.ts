import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Set with a failure that quarantines the file, until an event tells of it. Of what was quarantined before nobody is told. */
const PROCESSED_FILE = `
ALTER TABLE sluice_control.processed_file ADD COLUMN quarantine_untold boolean NOT NULL DEFAULT false;
CREATE INDEX processed_file_untold ON sluice_control.processed_file (ingestion_id, path) WHERE quarantine_untold;
`;

export class UntoldQuarantine1768000000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(PROCESSED_FILE);
  }

  down(): Promise<void> {
    throw new Error('Migrations only go forward: write the next one.');
  }
}
