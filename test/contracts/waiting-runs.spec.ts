import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import { SystemClock } from '@sluice/kernel';
import { FlowRunSession, type OrchestrationGateway } from '@sluice/orchestration-gateway';
import { createClient, createGateway } from '../../libs/orchestration-gateway/src/create-gateway';
import { until } from '../support/control-plane';
import { describeWithPrefect, realPrefect } from '../support/prefect';

const HOUR = 3_600_000;
const HOURLY = { cron: '0 * * * *', timezone: 'UTC' };

interface WireFlowRun {
  id: string;
  expected_start_time: string;
  state: { type: string; name: string; message: string | null };
}

describeWithPrefect('a flow run that waits for its turn, in Prefect', () => {
  const pool = `waiting-${randomUUID().slice(0, 8)}`;
  const clock = new SystemClock();
  const made: string[] = [];
  let apiUrl: string;
  let gateway: OrchestrationGateway;

  beforeAll(async () => {
    Logger.overrideLogger(false);
    ({ apiUrl } = await realPrefect());
    const config = { PREFECT_API_URL: apiUrl, PREFECT_API_AUTH_STRING: undefined, PREFECT_WORK_POOL: pool };
    const runner = { SLUICE_RUNNER_COMMAND: 'node main.js', SLUICE_RUNNER_WORKING_DIR: '/srv/sluice' };
    gateway = createGateway({ ...config, ...runner }, clock, { probeEveryMs: 100 });
    gateway.onApplicationBootstrap();
    await until(() => gateway.initialized, 30_000);
  }, 180_000);

  afterAll(async () => {
    for (const id of made) await gateway.removeDeployment(id);
    await fetch(`${apiUrl}/work_pools/${pool}`, { method: 'DELETE' });
    gateway.onModuleDestroy();
    gateway.onApplicationShutdown();
  }, 30_000);

  const call = async (method: string, path: string, body?: unknown): Promise<{ status: number; body: unknown }> => {
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(apiUrl + path, {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
    });
    const text = await answer.text();
    return { status: answer.status, body: text === '' ? null : (JSON.parse(text) as unknown) };
  };

  /** The last ticks of an hourly deployment, each claimed by a worker that has started a process for it. */
  const claimedTicks = async (count: number) => {
    const spec = { ingestionId: randomUUID(), title: 'waiting', timetable: HOURLY, paused: false };
    made.push(spec.ingestionId);
    const { id } = await gateway.upsertDeployment(spec);
    const [start_time, end_time] = [new Date(Date.now() - count * HOUR), new Date()];
    await call('POST', `/deployments/${id}/schedule`, { start_time, end_time, min_runs: count, max_runs: count });
    const filter = { flow_runs: { deployment_id: { any_: [id] } }, sort: 'EXPECTED_START_TIME_ASC', limit: count };
    const ticks = (await call('POST', '/flow_runs/filter', filter)).body as WireFlowRun[];
    for (const tick of ticks) {
      await call('POST', `/flow_runs/${tick.id}/set_state`, { state: { type: 'PENDING' } });
      await call('PATCH', `/flow_runs/${tick.id}`, { infrastructure_pid: 'worker:4711' });
    }
    return { id, spec, ticks };
  };
  const read = (id: string) => call('GET', `/flow_runs/${id}`);
  const session = (flowRunId: string) =>
    new FlowRunSession(
      createClient({ PREFECT_API_URL: apiUrl, PREFECT_API_AUTH_STRING: undefined }, clock),
      clock,
      flowRunId,
    );

  it('outlives a change of its deployment and stays the tick it was; one that is merely scheduled does not', async () => {
    const { id, spec, ticks } = await claimedTicks(2);
    const [waiting, scheduled] = ticks as [WireFlowRun, WireFlowRun];
    const own = session(waiting.id);
    expect(await own.giveBack(20, 'Waits.')).toBe(true);
    await own.close();
    const later = new Date(Date.now() + 20_000).toISOString();
    const state = { type: 'SCHEDULED', name: 'Scheduled', state_details: { scheduled_time: later } };
    await call('POST', `/flow_runs/${scheduled.id}/set_state`, { state });
    await gateway.changeDeployment(id, { ...spec, timetable: { ...HOURLY, cron: '7 * * * *' } });
    await gateway.setPaused(id, true);
    expect((await read(waiting.id)).body).toMatchObject({
      expected_start_time: waiting.expected_start_time,
      state: { type: 'SCHEDULED', name: 'AwaitingConcurrencySlot', message: 'Waits.' },
    });
    expect((await read(scheduled.id)).status).toBe(404);
  }, 60_000);

  it('is cancelled at once, though a process had it; one that keeps its process waits for a worker to end it', async () => {
    const { ticks } = await claimedTicks(2);
    const [waiting, kept] = ticks as [WireFlowRun, WireFlowRun];
    const own = session(waiting.id);
    await own.giveBack(20, 'Waits.');
    await own.close();
    const state = { type: 'SCHEDULED', name: 'AwaitingConcurrencySlot' };
    await call('POST', `/flow_runs/${kept.id}/set_state`, { state });
    expect(await gateway.cancelFlowRun(waiting.id)).toBe('cancelled');
    expect(await gateway.cancelFlowRun(kept.id)).toBe('cancelling');
  }, 60_000);

  it('is not given back once it is being cancelled', async () => {
    const { ticks } = await claimedTicks(1);
    await gateway.cancelFlowRun(ticks[0]!.id);
    const own = session(ticks[0]!.id);
    expect(await own.giveBack(20, 'Waits.')).toBe(false);
    await own.close();
  }, 60_000);

  it('knows of a later tick that is due and has not ended, and of no other', async () => {
    const { id, ticks } = await claimedTicks(2);
    const [first, last] = ticks as [WireFlowRun, WireFlowRun];
    const own = session(first.id);
    expect(await own.hasLaterTick(id, new Date(first.expected_start_time))).toBe(true);
    expect(await own.hasLaterTick(id, new Date(last.expected_start_time))).toBe(false);
    const state = { type: 'COMPLETED', name: 'Skipped' };
    await call('POST', `/flow_runs/${last.id}/set_state`, { state });
    expect(await own.hasLaterTick(id, new Date(first.expected_start_time))).toBe(false);
    await own.close();
  }, 60_000);
});
