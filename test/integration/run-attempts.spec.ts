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
