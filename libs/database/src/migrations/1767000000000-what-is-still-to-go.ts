import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Tables of ingestions that were deleted with them, until their drop is committed in the destination. No ingestion may load into one meanwhile. */
const TABLE_DROP = `
CREATE TABLE sluice_control.table_drop (
  ingestion_id    uuid           PRIMARY KEY,
  destination     jsonb          NOT NULL,
  attempts        integer        NOT NULL DEFAULT 0,
  next_attempt_at timestamptz    NOT NULL DEFAULT now(),
  last_error      text,
  created_at      timestamptz(3) NOT NULL DEFAULT now()
);
CREATE INDEX table_drop_due ON sluice_control.table_drop (next_attempt_at);
CREATE INDEX table_drop_by_table ON sluice_control.table_drop ((destination->>'schema'), (destination->>'table'));
`;

export class WhatIsStillToGo1767000000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(TABLE_DROP);
  }

  down(): Promise<void> {
    throw new Error('Migrations only go forward: write the next one.');
  }
}
