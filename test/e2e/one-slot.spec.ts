import { describeWithPrefect } from '../support/prefect';
import { created, endOf, lines, triggered } from '../support/orders';
import { startSystem, type System, until, type WireRun } from '../support/system';

type Timed = WireRun & { started_at: string; ended_at: string };

describeWithPrefect('a worker that takes one run at a time', () => {
  let system: System;
  beforeAll(async () => {
    system = await startSystem({}, 1);
  }, 240_000);
  afterAll(() => system.stop(), 60_000);

  it('is not blocked by a run that waits for one which has not been started yet', async () => {
    await system.write('slot/0.csv', lines(0, 10));
    const source = { type: 'file', path: `${system.folder}/slot`, file_pattern: '*.csv' };
    const destination = { schema: 'public', table: 'slot', write_mode: 'append' };
    const schedule = { frequency: 'manual', overlap_policy: 'queue_one' };
    const { id } = await created(system, { source, destination, schedule });
    const pool = `/work_pools/${system.pool}`;
    await system.prefect('PATCH', pool, { is_paused: true });
    const [first, second] = [await triggered(system, id), await triggered(system, id)];
    // The one that is next comes to the worker after the one that waits for it, which has the only slot by then.
    const later = new Date(Date.now() + 25_000).toISOString();
    const state = { type: 'SCHEDULED', name: 'Scheduled', state_details: { scheduled_time: later } };
    await system.prefect('POST', `/flow_runs/${first.flow_run_id}/set_state`, { state });
    await system.prefect('PATCH', pool, { is_paused: false });
    const stateOf = async (flowRunId: string) =>
      (await system.prefect<{ state: { name: string } }>('GET', `/flow_runs/${flowRunId}`)).body.state.name;
    await until(
      'the one that waits is given back',
      async () => (await stateOf(second.flow_run_id)) === 'AwaitingConcurrencySlot',
    );
    expect((await system.api<WireRun>('GET', `/runs/${first.run_id}`)).body.status).toBe('queued');
    const [one, two] = [await endOf(system, first.run_id), await endOf(system, second.run_id)] as [Timed, Timed];
    expect([one.status, two.status]).toEqual(['success', 'success']);
    expect(Date.parse(two.started_at)).toBeGreaterThanOrEqual(Date.parse(one.ended_at));
    expect([one.metrics['rows_ingested'], two.metrics['rows_ingested']]).toEqual([10, 0]);
  }, 200_000);
});
