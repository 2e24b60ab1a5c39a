import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { RunRecorder, type RunningOrder } from '@sluice/ingestion';
import { controlDatabase } from '@sluice/database';
import { readConfig, SystemClock } from '@sluice/kernel';
import { DataSource } from 'typeorm';
import { LoadedData } from '../../libs/ingestion/src/loaded-data';
import { StaleMirrors } from '../../libs/ingestion/src/reconciler/stale-mirrors';
import { dataPlane, type Plane } from '../support/data-plane';

/** Crashes between the commit in the destination and the mirror. */
class CrashingRecorder extends RunRecorder {
  override mirrorFiles(): Promise<void> {
    return Promise.reject(new Error('the control database is gone'));
  }
}

/** Crashes when it has mirrored what a rebuild loaded, before it forgets the rest. */
class ForgetlessRecorder extends RunRecorder {
  override forgetFilesNotOf(): Promise<void> {
    return Promise.reject(new Error('the control database is gone'));
  }
}

class LateClock extends SystemClock {
  late = 0;
  override now() {
    return new Date(Date.now() + this.late);
  }
  override elapsed() {
    return super.elapsed() + this.late;
  }
}

let plane: Plane;
let dataSource: DataSource;
let data: LoadedData;
beforeAll(async () => {
  plane = await dataPlane();
  dataSource = await new DataSource(controlDatabase(plane.controlUrl)).initialize();
  data = dataOf(plane.destinationUrl);
}, 60_000);
beforeEach(async () => {
  await plane.clean();
  await plane.control('DELETE FROM sluice_control.ingestion');
});
afterAll(async () => {
  await data.onApplicationShutdown();
  await dataSource.destroy();
  await plane.close();
});

function dataOf(destinationUrl: string): LoadedData {
  const urls = { DATABASE_URL: plane.controlUrl, DESTINATION_URL: destinationUrl };
  return new LoadedData(readConfig({ ...urls, PREFECT_API_URL: 'http://127.0.0.1:1/api' }));
}

function step(destination = data) {
  const clock = new LateClock();
  return { clock, mirrors: new StaleMirrors(dataSource, destination, plane.recorder, clock) };
}

async function crashed(files: Record<string, string>): Promise<RunningOrder> {
  for (const [path, content] of Object.entries(files)) await plane.write(path, content);
  const order = await plane.order();
  const orchestrator = plane.orchestratorWith({ recorder: new CrashingRecorder(dataSource, new SystemClock()) });
  expect((await plane.run(order, { orchestrator })).status).toBe('failed');
  return order;
}

const minutesAgo = (minutes: number) =>
  plane.control(
    `UPDATE sluice_control.run SET ended_at = now() - interval '${minutes} minutes' WHERE ended_at IS NOT NULL`,
  );
const mirror = (order: RunningOrder) =>
  plane.control(
    `SELECT path, status, rows::integer, run_id = (SELECT id FROM sluice_control.run WHERE ingestion_id = f.ingestion_id) AS its_run
     FROM sluice_control.processed_file f WHERE ingestion_id = '${order.id}' ORDER BY path`,
  );

describe('files that a run committed and could not mirror', () => {
  it('are read from the ledger a minute after it ended, once', async () => {
    const order = await crashed({ 'a.csv': 'id\n1\n', 'b.csv': 'id\n2\n3\n' });
    const { clock, mirrors } = step();
    expect(await mirrors.run()).toEqual([]);
    await minutesAgo(2);
    expect(await mirrors.run()).toEqual([]);
    clock.late = 31_000;
    expect(await mirrors.run()).toEqual([`Found 2 files of interrupted runs of ingestion ${order.id} in the ledger`]);
    expect(await mirror(order)).toEqual([
      { path: 'a.csv', status: 'loaded', rows: 1, its_run: true },
      { path: 'b.csv', status: 'loaded', rows: 2, its_run: true },
    ]);
    clock.late = 62_000;
    expect(await mirrors.run()).toEqual([]);
  });

  it('are left to the next run where one is active, and to nobody where all that is long ago', async () => {
    const order = await crashed({ 'a.csv': 'id\n1\n' });
    await minutesAgo(2);
    await plane.recorder.enter({
      ...{ ingestionId: order.id, flowRunId: '11111111-1111-4111-8111-111111111111' },
      ...{ runId: null, scheduled: true },
    });
    expect(await step().mirrors.run()).toEqual([]);
    await plane.control(`DELETE FROM sluice_control.run WHERE status = 'queued'`);
    await minutesAgo(2 * 24 * 60);
    expect(await step().mirrors.run()).toEqual([]);
    await minutesAgo(2);
    expect(await step().mirrors.run()).toHaveLength(1);
  });

  it('wait for a destination that is away, and are then found', async () => {
    const order = await crashed({ 'a.csv': 'id\n1\n' });
    await minutesAgo(2);
    const away = dataOf('postgresql://127.0.0.1:1/none');
    const { clock, mirrors } = step(away);
    await expect(mirrors.run()).rejects.toMatchObject({ code: 'DESTINATION_UNAVAILABLE' });
    Object.assign(mirrors, { data });
    clock.late = 31_000;
    expect(await mirrors.run()).toHaveLength(1);
    expect(await mirror(order)).toHaveLength(1);
    await away.onApplicationShutdown();
  });
});

describe('files that are no longer in since a rebuild committed and could not tell', () => {
  const paths = async (order: RunningOrder) =>
    (
      await plane.control<{ path: string; status: string }>(
        `SELECT path, status FROM sluice_control.processed_file WHERE ingestion_id = '${order.id}' ORDER BY path`,
      )
    ).map(({ path, status }) => `${path} ${status}`);

  async function rebuilt(Recorder: typeof RunRecorder): Promise<RunningOrder> {
    for (const path of ['a.csv', 'b.csv', 'c.csv']) await plane.write(path, 'id\n1\n');
    const order = await plane.order();
    await plane.run(order);
    await rm(join(plane.folder, 'c.csv'));
    const orchestrator = plane.orchestratorWith({ recorder: new Recorder(dataSource, new SystemClock()) });
    const parameters = { kind: 'refresh', scope: 'full' } as const;
    expect((await plane.run(order, { orchestrator, parameters })).status).toBe('failed');
    expect(await paths(order)).toEqual(['a.csv loaded', 'b.csv loaded', 'c.csv loaded']);
    return order;
  }

  it.each([
    ['anything', CrashingRecorder],
    ['what is gone', ForgetlessRecorder],
  ])('of %s are dropped by the next run', async (_, Recorder) => {
    const order = await rebuilt(Recorder);
    expect((await plane.run(order)).status).toBe('success');
    expect(await paths(order)).toEqual(['a.csv loaded', 'b.csv loaded']);
  });

  it.each([
    ['anything', CrashingRecorder],
    ['what is gone', ForgetlessRecorder],
  ])('of %s are dropped a minute after it ended, once', async (_, Recorder) => {
    const order = await rebuilt(Recorder);
    await minutesAgo(2);
    const { clock, mirrors } = step();
    expect(await mirrors.run()).toContain(`Dropped 1 file of ingestion ${order.id} that its ledger has no longer`);
    expect(await paths(order)).toEqual(['a.csv loaded', 'b.csv loaded']);
    clock.late = 31_000;
    expect(await mirrors.run()).toEqual([]);
  });
});
