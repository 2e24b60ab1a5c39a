import { describeWithPrefect } from '../support/prefect';
import { created, endInPrefect, endOf, lines, triggered } from '../support/orders';
import { startSystem, type System, until, type WireIngestion, type WireRun } from '../support/system';

interface WireDeployment {
  id: string;
  name: string;
  tags: string[];
  paused: boolean;
  schedules: { id: string; slug: string; active: boolean; schedule: { cron: string; timezone: string } }[];
}

describeWithPrefect('the life of an ingestion, through HTTP alone', () => {
  let system: System;
  beforeAll(async () => {
    system = await startSystem();
  }, 180_000);
  afterAll(() => system.stop(), 60_000);

  const deployment = async (id: string) =>
    (await system.prefect<WireDeployment>('GET', `/deployments/name/run-ingestion/ingestion-${id}`)).body;

  it('is created, triggered, rescheduled, paused, resumed and deleted, and Prefect follows each step', async () => {
    for (const n of [0, 1, 2]) await system.write(`life/${n}.csv`, lines(n * 1000, 1000));
    const source = { type: 'file', path: `${system.folder}/life`, file_pattern: '*.csv' };
    const { id, status, prefect_deployment_id } = await created(system, { source, schedule: { frequency: 'hourly' } });
    expect(status).toBe('active');
    const twin = await deployment(id);
    expect(twin).toMatchObject({ name: `ingestion-${id}`, paused: false, schedules: [{ slug: 'main', active: true }] });
    expect(twin.tags).toContain('sluice');
    expect(twin.id).toBe(prefect_deployment_id);

    const { run_id, flow_run_id } = await triggered(system, id);
    expect(await endOf(system, run_id)).toMatchObject({
      status: 'success',
      trigger: 'manual',
      flow_run_id,
      errors: [],
      metrics: { files_discovered: 3, files_processed: 3, files_failed: 0, rows_ingested: 3000, rows_rejected: 0 },
    });
    expect(await endInPrefect(system, flow_run_id)).toMatchObject({ type: 'COMPLETED' });
    expect(await system.rows('SELECT count(*)::int, count(DISTINCT id)::int AS ids FROM trips')).toEqual([
      { count: 3000, ids: 3000 },
    ]);

    const daily = await system.api('PUT', `/ingestions/${id}`, { schedule: { frequency: 'daily', time: '14:30' } });
    expect(daily.status).toBe(200);
    const moved = await deployment(id);
    expect(moved.schedules).toMatchObject([
      { id: twin.schedules[0]?.id, slug: 'main', schedule: { cron: '30 14 * * *' } },
    ]);

    expect((await system.api<WireIngestion>('POST', `/ingestions/${id}/pause`)).body.status).toBe('paused');
    expect((await deployment(id)).paused).toBe(true);
    expect((await system.api<WireIngestion>('POST', `/ingestions/${id}/resume`)).body.status).toBe('active');
    expect((await deployment(id)).paused).toBe(false);

    expect((await system.api('DELETE', `/ingestions/${id}`)).status).toBe(204);
    expect((await system.prefect('GET', `/deployments/${prefect_deployment_id}`)).status).toBe(404);
    expect((await system.api('GET', `/ingestions/${id}`)).status).toBe(404);
    expect(await system.rows('SELECT count(*)::int FROM trips')).toEqual([{ count: 3000 }]);
  }, 120_000);

  it('loads only the two files that came after the first run', async () => {
    for (const n of [0, 1, 2]) await system.write(`more/${n}.csv`, lines(n * 1000, 1000));
    const source = { type: 'file', path: `${system.folder}/more`, file_pattern: '*.csv' };
    const { id } = await created(system, {
      source,
      destination: { schema: 'public', table: 'more', write_mode: 'append' },
    });
    await endOf(system, (await triggered(system, id)).run_id);
    for (const n of [3, 4]) await system.write(`more/${n}.csv`, lines(n * 1000, 1000));
    const second = await endOf(system, (await triggered(system, id)).run_id);
    expect(second).toMatchObject({
      status: 'success',
      metrics: { files_discovered: 5, files_processed: 2, rows_ingested: 2000 },
    });
    expect(await system.rows('SELECT count(*)::int, count(DISTINCT id)::int AS ids FROM more')).toEqual([
      { count: 5000, ids: 5000 },
    ]);
  }, 120_000);

  it('plans a schedule in the time zone it names, and shows what Prefect has planned', async () => {
    const schedule = { frequency: 'daily', time: '09:15', timezone: 'Asia/Tokyo' };
    const { id } = await created(system, { schedule });
    expect((await deployment(id)).schedules).toMatchObject([
      { schedule: { cron: '15 9 * * *', timezone: 'Asia/Tokyo' } },
    ]);
    let next: string | null = null;
    await until('Prefect has planned a run', async () => {
      next = (await system.api<WireIngestion>('GET', `/ingestions/${id}`)).body.metadata.next_run_time;
      return next !== null;
    });
    // Tokyo is nine hours ahead of UTC all the year round.
    expect(next).toMatch(/T00:15:00(\.000)?Z$/);
  }, 60_000);

  it('runs by itself when its time has come', async () => {
    await system.write('ticks/0.csv', lines(0, 10));
    const { id } = await created(system, {
      source: { type: 'file', path: `${system.folder}/ticks`, file_pattern: '*.csv' },
      destination: { schema: 'public', table: 'ticks', write_mode: 'append' },
      schedule: { frequency: 'custom', cron_expression: '* * * * *' },
    });
    let runs: WireRun[] = [];
    await until(
      'a run of the timetable has ended well',
      async () => {
        runs = (await system.api<{ items: WireRun[] }>('GET', `/ingestions/${id}/runs`)).body.items;
        return runs.some((run) => run.status === 'success');
      },
      100_000,
    );
    expect(runs.at(-1)).toMatchObject({ trigger: 'scheduled', status: 'success', metrics: { rows_ingested: 10 } });
    expect((await system.api('DELETE', `/ingestions/${id}`)).status).toBe(204);
  }, 120_000);
});
