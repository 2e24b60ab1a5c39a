import type { OrchestrationGateway } from '@sluice/orchestration-gateway';
import { HOURLY, startGateway, type TestGateway } from '../support/gateway';
import { describeWithPrefect, realPrefect } from '../support/prefect';

const HOUR = 3_600_000;

interface WireFlowRun {
  id: string;
  expected_start_time: string;
  state: { type: string; name: string; message: string | null };
}

describeWithPrefect('a flow run that waits for its turn, in Prefect', () => {
  let prefect: TestGateway;
  let gateway: OrchestrationGateway;

  beforeAll(async () => {
    prefect = await startGateway((await realPrefect()).apiUrl);
    ({ gateway } = prefect);
  }, 180_000);
  afterAll(() => prefect.close());

  /** The last ticks of an hourly deployment, each claimed by a worker that has started a process for it. */
  const claimedTicks = async (count: number) => {
    const { spec, deployment } = await prefect.deployed();
    const { id } = deployment;
    const [start_time, end_time] = [new Date(Date.now() - count * HOUR), new Date()];
    await prefect.call('POST', `/deployments/${id}/schedule`, {
      start_time,
      end_time,
      min_runs: count,
      max_runs: count,
    });
    const filter = { flow_runs: { deployment_id: { any_: [id] } }, sort: 'EXPECTED_START_TIME_ASC', limit: count };
    const ticks = (await prefect.call('POST', '/flow_runs/filter', filter)).json as unknown as WireFlowRun[];
    for (const tick of ticks) {
      await prefect.call('POST', `/flow_runs/${tick.id}/set_state`, { state: { type: 'PENDING' } });
      await prefect.call('PATCH', `/flow_runs/${tick.id}`, { infrastructure_pid: 'worker:4711' });
    }
    return { id, spec, ticks };
  };
  const read = (id: string) => prefect.call('GET', `/flow_runs/${id}`);

  it('outlives a change of its deployment and stays the tick it was; one that is merely scheduled does not', async () => {
    const { id, spec, ticks } = await claimedTicks(2);
    const [waiting, scheduled] = ticks as [WireFlowRun, WireFlowRun];
    const own = prefect.session(waiting.id);
    expect(await own.giveBack(20, 'Waits.')).toBe(true);
    await own.close();
    const later = new Date(Date.now() + 20_000).toISOString();
    const state = { type: 'SCHEDULED', name: 'Scheduled', state_details: { scheduled_time: later } };
    await prefect.call('POST', `/flow_runs/${scheduled.id}/set_state`, { state });
    await gateway.changeDeployment(id, { ...spec, timetable: { ...HOURLY, cron: '7 * * * *' } });
    await gateway.setPaused(id, true);
    expect((await read(waiting.id)).json).toMatchObject({
      expected_start_time: waiting.expected_start_time,
      state: { type: 'SCHEDULED', name: 'AwaitingConcurrencySlot', message: 'Waits.' },
    });
    expect((await read(scheduled.id)).status).toBe(404);
  }, 60_000);

  it('is cancelled at once, though a process had it; one that keeps its process waits for a worker to end it', async () => {
    const { ticks } = await claimedTicks(2);
    const [waiting, kept] = ticks as [WireFlowRun, WireFlowRun];
    const own = prefect.session(waiting.id);
    await own.giveBack(20, 'Waits.');
    await own.close();
    const state = { type: 'SCHEDULED', name: 'AwaitingConcurrencySlot' };
    await prefect.call('POST', `/flow_runs/${kept.id}/set_state`, { state });
    expect(await gateway.cancelFlowRun(waiting.id)).toBe('cancelled');
    expect(await gateway.cancelFlowRun(kept.id)).toBe('cancelling');
  }, 60_000);

  it('is given back though it runs already, and may run again', async () => {
    const { ticks } = await claimedTicks(1);
    const own = prefect.session(ticks[0]!.id);
    expect(await own.proposeRunning()).toBe(true);
    expect(await own.giveBack(0, 'Waits.')).toBe(true);
    expect((await read(ticks[0]!.id)).json).toMatchObject({ state: { name: 'AwaitingConcurrencySlot' } });
    expect(await own.proposeRunning()).toBe(true);
    await own.close();
  }, 60_000);

  it('is not given back once it is being cancelled', async () => {
    const { ticks } = await claimedTicks(1);
    await gateway.cancelFlowRun(ticks[0]!.id);
    const own = prefect.session(ticks[0]!.id);
    expect(await own.giveBack(20, 'Waits.')).toBe(false);
    await own.close();
  }, 60_000);

  it('knows of a later tick that is due and has not ended, and of no other', async () => {
    const { id, ticks } = await claimedTicks(2);
    const [first, last] = ticks as [WireFlowRun, WireFlowRun];
    const own = prefect.session(first.id);
    expect(await own.hasLaterTick(id, new Date(first.expected_start_time))).toBe(true);
    expect(await own.hasLaterTick(id, new Date(last.expected_start_time))).toBe(false);
    const state = { type: 'COMPLETED', name: 'Skipped' };
    await prefect.call('POST', `/flow_runs/${last.id}/set_state`, { state });
    expect(await own.hasLaterTick(id, new Date(first.expected_start_time))).toBe(false);
    await own.close();
  }, 60_000);
});
