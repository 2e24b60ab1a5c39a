import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Each tick asks whether a later one has a run, and the reconciler which ticks have one: of an ingestion that runs each minute, among half a million a year. */
const RUN = `
CREATE INDEX run_by_tick ON sluice_control.run (ingestion_id, planned_at) WHERE trigger = 'scheduled';
`;

export class RunsByTick1769000000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(RUN);
  }

  down(): Promise<void> {
    throw new Error('Migrations only go forward: write the next one.');
  }
}
