import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Clock, SystemClock } from '@sluice/kernel';
import {
  enterState,
  newState,
  startFakePrefect,
  type FakeFlowRun,
  type FakePrefect,
} from '../../../test/support/fake-prefect';
import { until } from '../../../test/support/until';
import { createClient, createGateway } from './create-gateway';
import { FlowRunSession } from './flow-run-session';

/** Sleeps a hundredth of what is asked for, and lets the time of day run as much faster. */
class FastClock extends Clock {
  readonly #start = Date.now();
  readonly #system = new SystemClock();
  override now(): Date {
    return new Date(this.#start + (Date.now() - this.#start) * 100);
  }
  override sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return this.#system.sleep(ms / 100, signal);
  }
}

describe('the session of a flow run', () => {
  let fake: FakePrefect;
  let run: FakeFlowRun;
  let sessions: FlowRunSession[];

  beforeEach(async () => {
    fake = await startFakePrefect();
    sessions = [];
    const pool = { PREFECT_WORK_POOL: 'sluice', SLUICE_RUNNER_COMMAND: 'node x', SLUICE_RUNNER_WORKING_DIR: '/' };
    const gateway = createGateway(
      { PREFECT_API_URL: fake.apiUrl, PREFECT_API_AUTH_STRING: undefined, ...pool },
      new SystemClock(),
    );
    const ingestionId = randomUUID();
    const { id } = await gateway.upsertDeployment({ ingestionId, title: 'trips', timetable: null, paused: false });
    await gateway.createFlowRun({ deploymentId: id, ingestionId, runId: randomUUID() });
    gateway.onApplicationShutdown();
    run = fake.flowRuns[0] ?? fail();
  });

  afterEach(async () => {
    await fake.behave();
    for (const session of sessions) await session.close();
    await fake.stop();
  });

  function fail(): never {
    throw new Error('no flow run was made');
  }

  function aSession(clock: Clock = new SystemClock()): FlowRunSession {
    const config = { PREFECT_API_URL: fake.apiUrl, PREFECT_API_AUTH_STRING: undefined };
    const session = new FlowRunSession(createClient(config, clock), clock, run.id);
    sessions.push(session);
    return session;
  }

  const proposals = () => fake.requests.filter((request) => request.path.endsWith('/set_state'));
  const transitions = () =>
    proposals().map(
      (request) =>
        (request.body as { state: { state_details: { transition_id: string } } }).state.state_details.transition_id,
    );

  it('knows that RUNNING was accepted though the answer got lost', async () => {
    await fake.misbehave('lost_answer', { route: /set_state$/, times: 1 });
    await expect(aSession().proposeRunning()).resolves.toBe(true);
    expect(new Set(transitions()).size).toBe(1);
    expect(transitions()).toHaveLength(2);
  });

  it('does not start a run that Prefect no longer knows', async () => {
    fake.flowRuns.length = 0;
    await expect(aSession().proposeRunning()).resolves.toBe(false);
  });

  it('waits for the time of a run that was fetched early', async () => {
    run.state.state_details.scheduled_time = new Date(Date.now() + 1_400).toISOString();
    await expect(aSession().proposeRunning()).resolves.toBe(true);
    expect(proposals()).toHaveLength(2);
  });

  it('tells its outcome after an outage', async () => {
    const session = aSession(new FastClock());
    await fake.misbehave('http_503', { route: /set_state$/ });
    const finished = session.finish('partial', 'one file failed');
    await until(() => proposals().length >= 2);
    await fake.behave();
    await expect(finished).resolves.toBe('completed');
    expect(run).toMatchObject({ state_name: 'Partial', state: { message: 'one file failed' } });
  });

  it('gives its outcome up when the outage lasts longer than a minute', async () => {
    await fake.misbehave('down');
    const started = Date.now();
    await expect(aSession(new FastClock()).finish('success', 'done')).rejects.toMatchObject({ reason: 'refused' });
    expect(Date.now() - started).toBeGreaterThanOrEqual(590);
  });

  it('sends its log lines within about a second by itself', async () => {
    aSession().log('warning', 'two rows were skipped');
    await until(() => fake.logs.length > 0);
    expect(fake.logs).toMatchObject([{ flow_run_id: run.id, level: 30, message: 'two rows were skipped' }]);
  });

  it('gives each log line a time of its own, later than the one before', async () => {
    const session = aSession();
    for (let line = 0; line < 100; line++) session.log('info', 'x');
    await session.flush();
    const times = fake.logs.map((line) => line.timestamp);
    expect([...new Set(times)].sort()).toEqual(times);
    expect(times).toHaveLength(100);
  });

  it('keeps its log lines through an outage, in order', async () => {
    const session = aSession();
    await fake.misbehave('http_500', { route: /^POST \/logs\/$/ });
    session.log('info', 'first');
    await until(() => fake.requests.some(({ path }) => path === '/logs/'));
    session.log('info', 'second');
    await fake.behave();
    await session.flush();
    expect(fake.logs.map((line) => line.message)).toEqual(['first', 'second']);
    expect(session.droppedLines).toBe(0);
  });

  it('drops and counts the log lines that its last flush cannot send, without an error', async () => {
    const session = aSession();
    await fake.misbehave('unauthorized');
    for (let line = 0; line < 450; line++) session.log('info', 'x');
    await session.flush();
    expect(session.droppedLines).toBe(450);
  });

  it('never fails for an artifact', async () => {
    await fake.misbehave('unauthorized');
    await expect(aSession().leaveMarkdown('result', '# x')).resolves.toBeUndefined();
    await expect(aSession().progress(5, 'x')).resolves.toBeUndefined();
  });

  it('aborts its signal when the run is cancelled in Prefect, also after an outage', async () => {
    const { cancelled } = aSession(new FastClock());
    await fake.misbehave('http_500');
    enterState(run, newState('CANCELLING'));
    const asked = () => fake.requests.filter(({ path }) => path === `/flow_runs/${run.id}`).length;
    await until(() => asked() >= 2);
    expect(cancelled.aborted).toBe(false);
    await fake.behave();
    await until(() => cancelled.aborted);
  });

  it('tells Prefect that its process lives', async () => {
    void aSession().cancelled;
    await until(() => fake.events.length > 0);
    const resource = { 'prefect.resource.id': `prefect.flow-run.${run.id}` };
    expect(fake.events).toMatchObject([{ event: 'prefect.flow-run.heartbeat', resource }]);
  });

  it('asks no more once it is closed', async () => {
    const session = aSession(new FastClock());
    const before = fake.requests.length;
    void session.cancelled;
    await until(() => fake.requests.length > before);
    await session.close();
    await sleep(50);
    const asked = fake.requests.length;
    await sleep(150);
    expect(fake.requests).toHaveLength(asked);
  });
});
