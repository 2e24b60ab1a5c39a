import type { MigrationInterface, QueryRunner } from 'typeorm';

const INGESTION = `
ALTER TABLE sluice_control.ingestion
  ADD COLUMN schema jsonb NOT NULL
    DEFAULT '{"columns": {}, "all_text": false, "mode": "infer", "locked": false, "drop_removed": false}',
  ADD COLUMN changed_files text NOT NULL DEFAULT 'skip',
  ADD CONSTRAINT ingestion_changed_files CHECK (changed_files IN ('skip', 'reload', 'fail')),
  DROP CONSTRAINT ingestion_operation,
  ADD CONSTRAINT ingestion_operation
    CHECK (operation IN ('create', 'update', 'pause', 'resume', 'trigger', 'forget', 'repair'));
CREATE INDEX ingestion_by_table ON sluice_control.ingestion ((destination->>'schema'), (destination->>'table'));
`;

/** What a run is to do: Prefect gets ids only. */
const RUN = `
ALTER TABLE sluice_control.run
  ADD COLUMN parameters jsonb NOT NULL
    DEFAULT '{"kind": "load", "from": null, "until": null, "path_prefix": null}',
  ADD CONSTRAINT run_kind CHECK (parameters->>'kind' IN ('load', 'refresh', 'retry'));
`;

const PROCESSED_FILE = `
ALTER TABLE sluice_control.processed_file
  ADD COLUMN attempts integer NOT NULL DEFAULT 0,
  ADD COLUMN next_attempt_at timestamptz(3),
  ADD CONSTRAINT processed_file_attempts CHECK (attempts >= 0),
  DROP CONSTRAINT processed_file_status,
  ADD CONSTRAINT processed_file_status CHECK (status IN ('loaded', 'failed', 'quarantined', 'changed'));
CREATE INDEX processed_file_failed ON sluice_control.processed_file (ingestion_id, path)
  WHERE status IN ('failed', 'quarantined');
`;

export class AnyShape1765000000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const sql of [INGESTION, RUN, PROCESSED_FILE]) await runner.query(sql);
  }

  down(): Promise<void> {
    throw new Error('Migrations only go forward: write the next one.');
  }
}
