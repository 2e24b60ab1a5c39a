import { describeWithPrefect } from '../support/prefect';
import { created, endInPrefect, endOf, lines, triggered } from '../support/orders';
import { startSystem, type System, until, type WireIngestion, type WireRun } from '../support/system';

type Counted = WireIngestion & { counters: Record<string, number> };
type Tick = WireRun & { planned_at: string | null; started_at: string | null; ended_at: string | null };
interface WireFlowRun {
  id: string;
  expected_start_time: string;
  auto_scheduled: boolean;
  state: { type: string; name: string; message: string | null };
}

const HOUR = 3_600_000;
const TERMINAL = new Set(['COMPLETED', 'FAILED', 'CRASHED', 'CANCELLED']);

/** Prefect's own planning and a real worker; what is late is planned in the past, as Prefect's scheduler would have done. */
describeWithPrefect('ticks that come late, and runs that meet others', () => {
  let system: System;
  beforeAll(async () => {
    system = await startSystem();
  }, 240_000);
  afterAll(() => system.stop(), 60_000);

  /** Each hour, thirty minutes from now and ago. */
  const hourly = (policies: object) => {
    const minute = (new Date().getUTCMinutes() + 30) % 60;
    return { frequency: 'hourly', time: `00:${String(minute).padStart(2, '0')}`, ...policies };
  };
  const into = (table: string) => ({ schema: 'public', table, write_mode: 'append' });
  const from = (folder: string) => ({ type: 'file', path: `${system.folder}/${folder}`, file_pattern: '*.csv' });
  const make = (table: string, policies: object) =>
    created(system, { source: from(table), destination: into(table), schedule: hourly(policies) });
  const counters = async (id: string) => (await system.api<Counted>('GET', `/ingestions/${id}`)).body.counters;
  const runsOf = async (id: string) =>
    (await system.api<{ items: Tick[] }>('GET', `/ingestions/${id}/runs`)).body.items;
  const runOf = async (id: string) => (await system.api<Tick>('GET', `/runs/${id}`)).body;
  const flowRun = async (id: string) => (await system.prefect<WireFlowRun>('GET', `/flow_runs/${id}`)).body;
  const workersTakeNothing = (is_paused: boolean) =>
    system.prefect('PATCH', `/work_pools/${system.pool}`, { is_paused });

  /** The ticks of the last so many hours, planned by Prefect. */
  const planned = async ({ prefect_deployment_id }: WireIngestion, hours: number): Promise<WireFlowRun[]> => {
    const [start, end] = [new Date(Date.now() - hours * HOUR), new Date()];
    const body = { start_time: start.toISOString(), end_time: end.toISOString(), min_runs: hours, max_runs: hours };
    await system.prefect('POST', `/deployments/${prefect_deployment_id}/schedule`, body);
    const filter = {
      flow_runs: {
        deployment_id: { any_: [prefect_deployment_id] },
        expected_start_time: { after_: start.toISOString(), before_: end.toISOString() },
      },
      sort: 'EXPECTED_START_TIME_ASC',
    };
    return (await system.prefect<WireFlowRun[]>('POST', '/flow_runs/filter', filter)).body;
  };

  const ended = async (ticks: WireFlowRun[]): Promise<WireFlowRun['state'][]> => {
    const states = () => Promise.all(ticks.map(async ({ id }) => (await flowRun(id)).state));
    await until('all ticks have ended', async () => (await states()).every(({ type }) => TERMINAL.has(type)), 90_000);
    return states();
  };

  it('while no worker is there five ticks fall due: under latest the last one loads, the others are superseded', async () => {
    await system.write('late/0.csv', lines(0, 10));
    await workersTakeNothing(true);
    const order = await make('late', { missed_runs: 'latest' });
    const ticks = await planned(order, 5);
    expect(ticks).toHaveLength(5);
    await workersTakeNothing(false);
    const states = await ended(ticks);
    expect(states.map(({ type, message }) => `${type} ${message}`)).toEqual([
      ...Array<string>(4).fill('CANCELLED superseded by a later tick'),
      expect.stringMatching(/^COMPLETED 10 rows/),
    ]);
    expect(await counters(order.id)).toEqual({ missed: 0, superseded: 4, overlap_skipped: 0 });
    const loaded = (await runsOf(order.id)).filter(({ status }) => status === 'success');
    expect(loaded.map(({ planned_at }) => planned_at && Date.parse(planned_at))).toEqual([
      Date.parse(ticks[4]!.expected_start_time),
    ]);
    expect(await system.rows('SELECT count(*)::int FROM late')).toEqual([{ count: 10 }]);
  }, 180_000);

  it('under none no late tick loads, and each is counted', async () => {
    await system.write('missed/0.csv', lines(0, 10));
    await workersTakeNothing(true);
    const order = await make('missed', { missed_runs: 'none' });
    const ticks = await planned(order, 5);
    await workersTakeNothing(false);
    for (const { type, message } of await ended(ticks)) {
      expect(type).toBe('CANCELLED');
      expect(message).toMatch(/^missed: it came \d+ s after its time/);
    }
    expect(ticks).toHaveLength(5);
    expect(await counters(order.id)).toEqual({ missed: 5, superseded: 0, overlap_skipped: 0 });
    expect(await system.rows(`SELECT to_regclass('public.missed') AS made`)).toEqual([{ made: null }]);
  }, 180_000);

  it('late ticks of a paused ingestion end as paused, and count as nothing', async () => {
    await workersTakeNothing(true);
    const order = await make('still', { missed_runs: 'none' });
    const ticks = await planned(order, 2);
    // Prefect deletes late runs when it pauses, so one that still arrives has been claimed before.
    await system.control(`UPDATE sluice_control.ingestion SET status = 'paused' WHERE id = $1`, [order.id]);
    await workersTakeNothing(false);
    expect((await ended(ticks)).map(({ type, message }) => `${type} ${message}`)).toEqual([
      'CANCELLED paused',
      'CANCELLED paused',
    ]);
    expect(await counters(order.id)).toEqual({ missed: 0, superseded: 0, overlap_skipped: 0 });
  }, 120_000);

  /** A run that goes on until `release`: another session holds its table. */
  const longRun = async (table: string, policies: object) => {
    await system.write(`${table}/0.csv`, lines(0, 10));
    const order = await make(table, policies);
    await endOf(system, (await triggered(system, order.id)).run_id);
    const blocker = await system.connectToDestination();
    await blocker.query(`BEGIN; LOCK TABLE public.${table} IN ACCESS EXCLUSIVE MODE`);
    await system.write(`${table}/1.csv`, lines(10, 10));
    const first = await triggered(system, order.id);
    await until('the long run is running', async () => (await runOf(first.run_id)).status === 'running');
    return { order, first, release: () => blocker.query('ROLLBACK') };
  };
  /** One more tick, half an hour late: by far not missed under latest. */
  const tick = async (order: WireIngestion) => (await planned(order, 1))[0]!;

  it('skip: a tick that meets a run is skipped and counted, a trigger is refused', async () => {
    const { order, first, release } = await longRun('skipping', { overlap_policy: 'skip' });
    const refusal = await system.api('POST', `/ingestions/${order.id}/run`);
    expect(refusal).toMatchObject({ status: 409, body: { code: 'RUN_ACTIVE', run_id: first.run_id } });
    expect(await ended([await tick(order)])).toMatchObject([{ type: 'COMPLETED', name: 'Skipped' }]);
    expect(await counters(order.id)).toEqual({ missed: 0, superseded: 0, overlap_skipped: 1 });
    await release();
    expect((await endOf(system, first.run_id)).status).toBe('success');
    expect(await system.rows('SELECT count(*)::int FROM skipping')).toEqual([{ count: 20 }]);
  }, 180_000);

  it('queue_one: one waits and is given back to Prefect meanwhile, another trigger is refused, a tick is skipped', async () => {
    const { order, first, release } = await longRun('queueing', { overlap_policy: 'queue_one' });
    const second = await triggered(system, order.id);
    const refusal = await system.api('POST', `/ingestions/${order.id}/run`);
    expect(refusal).toMatchObject({ status: 409, body: { code: 'RUN_ACTIVE', run_id: second.run_id } });
    const waits = async () => (await flowRun(second.flow_run_id)).state.name === 'AwaitingConcurrencySlot';
    await until('the waiting run is given back', waits);
    expect((await runOf(second.run_id)).status).toBe('queued');
    expect(await ended([await tick(order)])).toMatchObject([{ type: 'COMPLETED', name: 'Skipped' }]);
    expect(await counters(order.id)).toEqual({ missed: 0, superseded: 0, overlap_skipped: 1 });
    await release();
    const [one, two] = [await endOf(system, first.run_id), await endOf(system, second.run_id)] as [Tick, Tick];
    expect([one.status, two.status]).toEqual(['success', 'success']);
    expect(Date.parse(two.started_at!)).toBeGreaterThanOrEqual(Date.parse(one.ended_at!));
    expect(await system.rows('SELECT count(*)::int FROM queueing')).toEqual([{ count: 20 }]);
  }, 180_000);

  it('queue_one: a run that waits is cancelled at once, also while it is given back', async () => {
    const { order, first, release } = await longRun('giving_up', { overlap_policy: 'queue_one' });
    const second = await triggered(system, order.id);
    const waits = async () => (await flowRun(second.flow_run_id)).state.name === 'AwaitingConcurrencySlot';
    await until('the waiting run is given back', waits);
    expect((await system.api<WireRun>('POST', `/runs/${second.run_id}/cancel`)).body.status).toBe('cancelled');
    expect((await endInPrefect(system, second.flow_run_id)).type).toBe('CANCELLED');
    const third = await triggered(system, order.id);
    await release();
    expect((await endOf(system, first.run_id)).status).toBe('success');
    expect((await endOf(system, third.run_id)).status).toBe('success');
  }, 180_000);

  it('replace: a trigger and a tick end the active run, and load when it has ended', async () => {
    const { order, first, release } = await longRun('replacing', { overlap_policy: 'replace' });
    const second = await triggered(system, order.id);
    expect((await endOf(system, first.run_id)).status).toBe('cancelled');
    await until('the second run is running', async () => (await runOf(second.run_id)).status === 'running', 60_000);
    const late = await tick(order);
    expect((await endOf(system, second.run_id)).status).toBe('cancelled');
    await release();
    expect(await ended([late])).toMatchObject([{ type: 'COMPLETED' }]);
    expect(await counters(order.id)).toEqual({ missed: 0, superseded: 2, overlap_skipped: 0 });
    expect(await system.rows('SELECT count(*)::int, count(DISTINCT id)::int AS ids FROM replacing')).toEqual([
      { count: 20, ids: 20 },
    ]);
  }, 240_000);
});
