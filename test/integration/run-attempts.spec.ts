import { DataSource } from 'typeorm';
import { controlDatabase } from '@sluice/database';
import { type FileRecord, type RunParameters, RunRecorder } from '@sluice/ingestion';
import { SystemClock } from '@sluice/kernel';
import { dataPlane, type Plane } from '../support/data-plane';

const ROWS = 300_000;

let plane: Plane;
beforeAll(async () => {
  plane = await dataPlane({ SLUICE_RUN_ATTEMPTS: '4', SLUICE_RUN_RETRY_MS: '50' });
});
beforeEach(async () => {
  await plane.clean();
  await plane.write('a.csv', 'id,note\n-1,first\n');
  const lines = Array.from({ length: ROWS }, (_, n) => `${n},some text that takes its time\n`);
  await plane.write('b.csv', `id,note\n${lines.join('')}`);
});
afterAll(() => plane.close());

/** Until rows are on their way to the server; then the sessions with this name are ended. */
async function cutWhileCopying(name: string): Promise<void> {
  const copying = 'SELECT FROM pg_stat_progress_copy WHERE datname = current_database() AND tuples_processed > 1000';
  while ((await plane.rows(copying)).length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  await plane.rows(
    `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE '${name}%'`,
  );
}

describe('what may pass is tried again within the run', () => {
  it.each(['sluice run', 'sluice lease', 'sluice'])(
    'when the sessions "%s" are cut off in the middle of a load',
    async (name) => {
      const order = await plane.order();
      const lines: string[] = [];
      const [outcome] = await Promise.all([
        plane.run(order, { log: (line) => lines.push(line) }),
        cutWhileCopying(name),
      ]);
      expect(outcome).toMatchObject({ status: 'success', metrics: { files_processed: 2, rows_ingested: ROWS + 1 } });
      expect(lines.join('\n')).toMatch(/Attempt 2 of 4 follows in/);
      expect(await plane.rows('SELECT count(*)::int AS rows, count(DISTINCT id)::int AS ids FROM t')).toEqual([
        { rows: ROWS + 1, ids: ROWS + 1 },
      ]);
    },
  );

  it('and what does not pass is not', async () => {
    await plane.rows('CREATE TABLE t (id bigint, note text)');
    const order = await plane.order({ on_schema_change: 'fail' });
    const lines: string[] = [];
    expect((await plane.run(order, { log: (line) => lines.push(line) })).status).toBe('failed');
    expect(lines.join('\n')).not.toContain('Attempt');
  });
});

describe('a file that is tried again by hand', () => {
  let patient: Plane;
  let dataSource: DataSource;
  beforeAll(async () => {
    patient = await dataPlane({
      ...{ SLUICE_RUN_ATTEMPTS: '4', SLUICE_RUN_RETRY_MS: '50' },
      ...{ SLUICE_BATCH_FILES: '1', SLUICE_FILE_RETRY_SECONDS: '3600' },
    });
    dataSource = await new DataSource(controlDatabase(patient.controlUrl)).initialize();
  });
  afterAll(async () => {
    await dataSource.destroy();
    await patient.close();
  });

  /** Breaks the connections when the first file's failure has been recorded. */
  class Cutting extends RunRecorder {
    cuts = 0;

    override async mirrorFiles(ingestionId: string, runId: string, files: readonly FileRecord[]): Promise<void> {
      await super.mirrorFiles(ingestionId, runId, files);
      if (this.cuts > 0) return;
      this.cuts += 1;
      await patient.rows(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'sluice %'`,
      );
    }
  }

  it('fails once in a run, however many attempts that takes', async () => {
    await patient.write('a.csv', 'id\n1\n');
    const order = await patient.order();
    await patient.run(order);
    await patient.write('b.csv', 'id\nx\n');
    await patient.run(order);
    await patient.write('c.csv', 'id\n3\n');
    const recorder = new Cutting(dataSource, new SystemClock());
    const parameters: RunParameters = { kind: 'retry', paths: ['b.csv'] };
    const outcome = await patient.run(order, { parameters, orchestrator: patient.orchestratorWith({ recorder }) });
    expect([recorder.cuts, outcome.metrics]).toMatchObject([1, { files_failed: 1, files_processed: 1 }]);
    expect(await patient.rows('SELECT path, attempts FROM sluice.failed_file')).toEqual([
      { path: 'b.csv', attempts: 2 },
    ]);
  });
});
