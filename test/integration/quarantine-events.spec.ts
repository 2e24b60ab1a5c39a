import { randomUUID } from 'node:crypto';
import { Events, type FileRecord } from '@sluice/ingestion';
import { anIngestion, DAILY, startControlPlane, type ControlPlane } from '../support/control-plane';

let plane: ControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
});
afterAll(() => plane.close());

const METRICS = {
  ...{ files_discovered: 2, files_processed: 0, files_failed: 2, rows_ingested: 0, rows_rejected: 0 },
  ...{ bytes_read: 20, duration_ms: 12 },
};
const file = (path: string, status: FileRecord['status']): FileRecord => ({
  ...{ path, version: '', status, rows: 0, rejected: 0, bytes: 10, load_id: null, attempts: 5, next_attempt_at: null },
  first_error: {
    ...{ file: path, line: 2, column: null, error_type: 'malformed', retryable: false },
    message: `${path}: line 2 is broken.`,
  },
});
const scheduled = () => plane.ingestions.createIngestion(anIngestion({ schedule: DAILY }));

/** A run that has begun and left these files. */
async function left(ingestionId: string, files: FileRecord[]) {
  const entry = { ingestionId, flowRunId: randomUUID(), runId: null, scheduled: true };
  const [{ id: runId }, executor] = [await plane.recorder.enter(entry), randomUUID()];
  await plane.recorder.start(runId, executor);
  await plane.recorder.mirrorFiles(ingestionId, runId, files);
  const end = () => plane.recorder.end(runId, executor, { status: 'failed', metrics: METRICS, errors: [] });
  return { runId, end };
}
const told = async (id: string) => {
  await plane.reconciler.runOnce();
  return (await plane.get(Events).list({ ingestion_id: id, kind: 'quarantined' })).items;
};

describe('files that are quarantined', () => {
  it('are told of once for their run, when it has ended', async () => {
    const { id, name } = await scheduled();
    const files = [file('b.csv', 'quarantined'), file('a.csv', 'quarantined'), file('c.csv', 'failed')];
    const { runId, end } = await left(id, files);
    expect(await told(id)).toEqual([]);
    await end();
    const [event, ...others] = await told(id);
    expect(event).toMatchObject({
      kind: 'quarantined',
      message: `2 files of ingestion "${name}" failed as often as is allowed, and are not tried again until they change or somebody asks for it: a.csv and 1 more. The first: a.csv: line 2 is broken.`,
      facts: {
        ...{ ingestion_name: name, run_id: runId, files: 2, paths: ['a.csv', 'b.csv'] },
        last_error: 'a.csv: line 2 is broken.',
      },
    });
    expect(others).toEqual([]);
    expect(await told(id)).toHaveLength(1);
  });

  it('are told of again when they were tried by hand and failed again, and not when they were loaded', async () => {
    const { id, name } = await scheduled();
    await (await left(id, [file('a.csv', 'quarantined'), file('b.csv', 'quarantined')])).end();
    expect(await told(id)).toHaveLength(1);
    const loaded = { ...file('b.csv', 'loaded'), version: 'v', first_error: null, load_id: '7', attempts: 0 };
    await (await left(id, [file('a.csv', 'quarantined'), loaded])).end();
    const [event] = await told(id);
    expect(event?.message).toBe(
      `1 file of ingestion "${name}" failed as often as is allowed, and is not tried again until it changes or somebody asks for it: a.csv. It said: a.csv: line 2 is broken.`,
    );
    expect(await told(id)).toHaveLength(2);
  });

  it('that were loaded before anybody could be told are not told of', async () => {
    const { id } = await scheduled();
    const { runId, end } = await left(id, [file('a.csv', 'quarantined')]);
    const loaded = { ...file('a.csv', 'loaded'), version: 'v', first_error: null, load_id: '8', attempts: 0 };
    await plane.recorder.mirrorFiles(id, runId, [loaded]);
    await end();
    expect(await told(id)).toEqual([]);
  });

  it('are a thousand at most in one event, with the first twenty paths', async () => {
    const { id } = await scheduled();
    const files = Array.from({ length: 1_200 }, (_, n) => file(`f${String(n).padStart(4, '0')}.csv`, 'quarantined'));
    await (await left(id, files)).end();
    await told(id);
    const facts = (await told(id)).map((it) => it.facts as { files: number; paths: string[] });
    expect(facts.map((it) => it.files)).toEqual([200, 1_000]);
    expect(facts.map((it) => [it.paths.length, it.paths[0]])).toEqual([
      [20, 'f1000.csv'],
      [20, 'f0000.csv'],
    ]);
  });
});
