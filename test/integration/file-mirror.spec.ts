import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { anIngestion, startControlPlane, until, type ControlPlane } from '../support/control-plane';

let plane: ControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
});
afterAll(() => plane.close());

function loaded(path: string) {
  const counts = { rows: 1, rejected: 0, bytes: 10, attempts: 1 };
  return {
    path,
    version: 'v1',
    status: 'loaded' as const,
    ...counts,
    first_error: null,
    load_id: '7',
    next_attempt_at: null,
  };
}

describe('files that are written down while their ingestion is deleted', () => {
  it('wait for the deletion, and the deletion does not wait for them', async () => {
    const { id } = await plane.ingestions.createIngestion(anIngestion());
    const runId = randomUUID();
    await plane.recorder.mirrorFiles(id, runId, [loaded('known.csv')]);
    const deleting = new pg.Client({ connectionString: plane.url });
    await deleting.connect();
    try {
      await deleting.query('BEGIN');
      await deleting.query('SELECT FROM sluice_control.ingestion WHERE id = $1 FOR UPDATE', [id]);
      const written = plane.recorder.mirrorFiles(id, runId, [loaded('known.csv'), loaded('new.csv')]);
      written.catch(() => undefined);
      const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
      await until(async () => (await plane.sql(waiting)).length > 0);
      await deleting.query('SELECT FROM sluice_control.processed_file FOR UPDATE NOWAIT');
      await deleting.query('DELETE FROM sluice_control.ingestion WHERE id = $1', [id]);
      await deleting.query('COMMIT');
      await written;
    } finally {
      await deleting.end();
    }
    expect(await plane.sql('SELECT FROM sluice_control.processed_file')).toEqual([]);
  });
});
