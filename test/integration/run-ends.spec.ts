import { randomUUID } from 'node:crypto';
import { Test } from '@nestjs/testing';
import { DatabaseModule } from '@sluice/database';
import { RunPulse, RunRecorderModule, type StopOrder } from '@sluice/ingestion';
import { KernelModule, SystemClock } from '@sluice/kernel';
import { RefusedByPrefect } from '@sluice/orchestration-gateway';
import { LoadedData } from '../../libs/ingestion/src/loaded-data';
import { BrokenTicks } from '../../libs/ingestion/src/reconciler/broken-ticks';
import { LostRuns } from '../../libs/ingestion/src/reconciler/lost-runs';
import { OrphanedFlowRuns } from '../../libs/ingestion/src/reconciler/orphaned-flow-runs';
import { SilentRuns } from '../../libs/ingestion/src/reconciler/silent-runs';
import { RunGivingUp } from '../../libs/ingestion/src/runs/run-giving-up';
import { RunResubmission } from '../../libs/ingestion/src/runs/run-resubmission';
import { RunSettlement } from '../../libs/ingestion/src/runs/run-settlement';
import { anIngestion, DAILY, startControlPlane, until, type ControlPlane } from '../support/control-plane';
import { enterState, newState } from '../support/fake-prefect';
import { plannedRun } from '../support/fake-prefect/flow-runs';

let plane: ControlPlane;
let data: LoadedData;
beforeAll(async () => {
  plane = await startControlPlane();
  data = new LoadedData(plane.config);
});
beforeEach(() => {
  plane.fake.flowRuns.length = 0;
});
afterEach(async () => {
  await plane.fake.behave();
  await plane.sql(`DELETE FROM sluice_control.run`);
  await until(() => plane.gateway.initialized);
});
afterAll(async () => {
  await data.onApplicationShutdown();
  await plane.close();
});

class PassingClock extends SystemClock {
  passed = 0;
  override now() {
    return new Date(Date.now() + this.passed);
  }
  override elapsed() {
    return super.elapsed() + this.passed;
  }
}

interface Step {
  run(): Promise<string[]>;
}

/** A pass each 5 s, as the reconciler makes them, until the time has passed. */
async function watched(step: Step, clock: PassingClock, seconds: number): Promise<string[]> {
  const done = await step.run();
  for (let passed = 0; passed < seconds; passed += 5) {
    clock.passed += 5_000;
    done.push(...(await step.run()));
  }
  return done;
}

const flowRun = (id: string) => plane.fake.flowRuns.find((it) => it.id === id)!;
const manual = () => plane.ingestions.createIngestion(anIngestion({ schedule: { frequency: 'manual' } }));
const silence = (runId: string, seconds: number) =>
  plane.sql(`UPDATE sluice_control.run SET heartbeat_at = now() - make_interval(secs => $2) WHERE id = $1`, [
    runId,
    seconds,
  ]);

/** A run whose process has begun to load, and has not been heard of since. */
async function begun(silent = 13) {
  const { id } = await manual();
  const { run_id, flow_run_id } = await plane.ingestions.triggerManualRun(id);
  const executor = randomUUID();
  await plane.recorder.enter({ ingestionId: id, flowRunId: flow_run_id, runId: run_id, scheduled: false });
  await plane.recorder.start(run_id, executor);
  enterState(flowRun(flow_run_id), newState('RUNNING'));
  await silence(run_id, silent);
  return { id, run_id, flow_run_id, executor };
}

describe('a run whose process is not heard of any more', () => {
  function silentRuns() {
    const clock = new PassingClock();
    const givingUp = new RunGivingUp(plane.dataSource, plane.gateway, data);
    return { clock, step: new SilentRuns(plane.dataSource, givingUp, clock) };
  }

  it('is crashed here and in Prefect once it has been seen silent for 35 s', async () => {
    const { run_id, flow_run_id } = await begun();
    const { clock, step } = silentRuns();
    expect(await watched(step, clock, 30)).toEqual([]);
    expect(await watched(step, clock, 5)).toEqual([
      expect.stringMatching(`^Ended run ${run_id} as crashed: Its process`),
    ]);
    const run = await plane.runs.getRun(run_id);
    expect([run.status, run.errors[0]?.error_type]).toEqual(['crashed', 'ProcessLost']);
    expect(flowRun(flow_run_id).state_type).toBe('CRASHED');
  });

  it('ends with all others of its machine, in the same pass', async () => {
    for (let runs = 0; runs < 24; runs++) await begun();
    const { clock, step } = silentRuns();
    await watched(step, clock, 30);
    expect(await watched(step, clock, 5)).toHaveLength(24);
  });

  it('lives as soon as it is heard of again', async () => {
    const { run_id } = await begun();
    const { clock, step } = silentRuns();
    await watched(step, clock, 30);
    await silence(run_id, 12.5);
    expect(await watched(step, clock, 30)).toEqual([]);
    await silence(run_id, 0);
    expect(await watched(step, clock, 60)).toEqual([]);
    expect((await plane.runs.getRun(run_id)).status).toBe('running');
  });

  // No process can write its heartbeat while the database is away: that nobody was heard of then says nothing.
  it('gets its time anew after an outage in which nobody could look', async () => {
    const { run_id } = await begun();
    const { clock, step } = silentRuns();
    await step.run();
    clock.passed += 3_600_000;
    expect(await step.run()).toEqual([]);
    expect((await plane.runs.getRun(run_id)).status).toBe('running');
    expect(await watched(step, clock, 25)).toHaveLength(1);
  });

  it('keeps its run if it is heard of in the moment it is given up', async () => {
    const { run_id, id, flow_run_id } = await begun();
    const givingUp = new RunGivingUp(plane.dataSource, plane.gateway, data);
    const heartbeat_at = new Date(Date.now() - 60_000);
    const run = { id: run_id, ingestion_id: id, flow_run_id, status: 'running' as const, heartbeat_at };
    expect(await givingUp.giveUp(run, 'crashed', 'x')).toBe(false);
    expect((await plane.runs.getRun(run_id)).status).toBe('running');
    expect(flowRun(flow_run_id).state_type).toBe('RUNNING');
  });

  it('is cancelled after 15 s of it if somebody asked for that', async () => {
    const { run_id, flow_run_id } = await begun(30);
    expect((await plane.runs.cancelRun(run_id)).status).toBe('running');
    await plane.sql(`UPDATE sluice_control.run SET cancel_requested_at = now() - interval '16 seconds'`);
    const { clock, step } = silentRuns();
    expect(await watched(step, clock, 10)).toEqual([]);
    expect(await watched(step, clock, 5)).toEqual([expect.stringContaining(`Ended run ${run_id} as cancelled`)]);
    expect((await plane.runs.getRun(run_id)).status).toBe('cancelled');
    expect(flowRun(flow_run_id).state_type).toBe('CANCELLED');
  });

  it('is ended here even while Prefect is away, and there when it is back', async () => {
    const { run_id, flow_run_id } = await begun();
    const { clock, step } = silentRuns();
    await plane.fake.misbehave('http_500');
    expect(await watched(step, clock, 35)).toHaveLength(1);
    expect((await plane.runs.getRun(run_id)).status).toBe('crashed');
    await plane.fake.behave();
    await until(() => plane.gateway.initialized);
    await plane.sql(`UPDATE sluice_control.run SET ended_at = now() - interval '61 seconds' WHERE id = $1`, [run_id]);
    const orphaned = orphanedFlowRuns();
    expect(await watched(orphaned.step, orphaned.clock, 60)).toEqual([
      expect.stringContaining(`Ended flow run ${flow_run_id} as crashed`),
    ]);
    expect(flowRun(flow_run_id).state_type).toBe('CRASHED');
  });

  it('commits nothing any more when it was only frozen', async () => {
    const { id, run_id } = await begun();
    const fence = jest.spyOn(data, 'endRun');
    const { clock, step } = silentRuns();
    await watched(step, clock, 35);
    expect(fence).toHaveBeenCalledWith(id, run_id);
    fence.mockRestore();
  });
});

function orphanedFlowRuns() {
  const clock = new PassingClock();
  return { clock, step: new OrphanedFlowRuns(plane.dataSource, plane.gateway, clock, plane.config) };
}

describe('a flow run that nobody will end', () => {
  const tick = async (id: string, state: 'PENDING' | 'RUNNING' | 'CANCELLING', parameters = {}) => {
    const deployment = plane.fake.deployments.find((it) => it.name === `ingestion-${id}`)!;
    const { flowRunId } = await plane.gateway.createFlowRun({
      deploymentId: deployment.id,
      ingestionId: id,
      runId: randomUUID(),
    });
    const made = flowRun(flowRunId);
    made.parameters = { ingestion_id: id, ...parameters };
    enterState(made, newState(state));
    return made;
  };

  it('is crashed when a worker took it a minute ago and no process came', async () => {
    const made = await tick((await manual()).id, 'PENDING');
    const { clock, step } = orphanedFlowRuns();
    expect(await watched(step, clock, 55)).toEqual([]);
    expect(await watched(step, clock, 5)).toEqual([
      `Ended flow run ${made.id} as crashed: A worker has taken it, but its process never came.`,
    ]);
    expect(made.state_type).toBe('CRASHED');
  });

  it('is left to its process when that has entered, however long it takes', async () => {
    const { run_id, flow_run_id } = await begun(0);
    const { clock, step } = orphanedFlowRuns();
    expect(await watched(step, clock, 600)).toEqual([]);
    expect([(await plane.runs.getRun(run_id)).status, flowRun(flow_run_id).state_type]).toEqual(['running', 'RUNNING']);
  });

  it.each([
    ['success', 'COMPLETED', 'Completed'],
    ['partial', 'COMPLETED', 'Partial'],
    ['failed', 'FAILED', 'Failed'],
    ['crashed', 'CRASHED', 'Crashed'],
  ] as const)('gets the word of its run, which ended as %s a minute ago', async (status, type, name) => {
    const { run_id, flow_run_id } = await begun(0);
    await plane.sql(
      `UPDATE sluice_control.run SET status = $2, ended_at = now() - interval '61 seconds' WHERE id = $1`,
      [run_id, status],
    );
    const { clock, step } = orphanedFlowRuns();
    await watched(step, clock, 60);
    expect(flowRun(flow_run_id)).toMatchObject({ state_type: type, state_name: name });
  });

  it('is left to its process while that may still be telling Prefect', async () => {
    const { run_id, flow_run_id } = await begun(0);
    await plane.sql(`UPDATE sluice_control.run SET status = 'success', ended_at = now() WHERE id = $1`, [run_id]);
    const { clock, step } = orphanedFlowRuns();
    await watched(step, clock, 300);
    expect(flowRun(flow_run_id).state_type).toBe('RUNNING');
  });

  it('is cancelled when that was under way', async () => {
    const made = await tick((await manual()).id, 'CANCELLING');
    const { clock, step } = orphanedFlowRuns();
    await watched(step, clock, 60);
    expect(made.state_type).toBe('CANCELLED');
  });

  it('of somebody else is never touched', async () => {
    const foreign = await tick((await manual()).id, 'RUNNING', { ingestion_id: randomUUID() });
    const nameless = await tick((await manual()).id, 'PENDING', { ingestion_id: 'trips' });
    const otherPool = await tick((await manual()).id, 'CANCELLING', { ingestion_id: randomUUID() });
    otherPool.work_pool_name = 'theirs';
    const untagged = await tick((await manual()).id, 'PENDING');
    untagged.tags = [];
    const { clock, step } = orphanedFlowRuns();
    expect(await watched(step, clock, 300)).toEqual([]);
    expect([foreign, nameless, otherPool, untagged].map((it) => it.state_type)).toEqual([
      'RUNNING',
      'PENDING',
      'CANCELLING',
      'PENDING',
    ]);
  });

  it('of a deleted ingestion is cancelled if somebody asked for that', async () => {
    const made = await tick((await manual()).id, 'CANCELLING', { ingestion_id: randomUUID() });
    const { clock, step } = orphanedFlowRuns();
    await watched(step, clock, 60);
    expect(made.state_type).toBe('CANCELLED');
  });
});

describe('a run started by hand whose flow run crashed before its process came', () => {
  function lostRuns() {
    const clock = new PassingClock();
    const settlement = new RunSettlement(plane.dataSource, plane.gateway);
    const resubmission = new RunResubmission(plane.dataSource, plane.gateway);
    return { clock, step: new LostRuns(plane.dataSource, plane.gateway, settlement, resubmission, clock) };
  }
  const crashed = async () => {
    const { id } = await manual();
    const { run_id, flow_run_id } = await plane.ingestions.triggerManualRun(id);
    enterState(flowRun(flow_run_id), newState('CRASHED'));
    return { id, run_id, flow_run_id };
  };
  const flowRunOf = async (runId: string) => (await plane.runs.getRun(runId)).flow_run_id!;
  const entry = ({ id, run_id }: { id: string; run_id: string }, flowRunId: string, instead: boolean) => ({
    ...{ ingestionId: id, runId: run_id, flowRunId, instead, scheduled: false },
  });

  it('gets a second flow run, once; if that crashes too, so has the run', async () => {
    const run = await crashed();
    const { clock, step } = lostRuns();
    expect(await watched(step, clock, 10)).toEqual([]);
    expect(await watched(step, clock, 5)).toEqual([expect.stringContaining(`for run ${run.run_id}`)]);
    const second = flowRun(await flowRunOf(run.run_id));
    expect(second.id).not.toBe(run.flow_run_id);
    expect(second).toMatchObject({
      idempotency_key: `run:${run.run_id}:2`,
      parameters: { ingestion_id: run.id, run_id: run.run_id },
    });
    enterState(second, newState('CRASHED'));
    expect(await watched(step, clock, 20)).toEqual([expect.stringContaining(`Ended run ${run.run_id} as crashed`)]);
    expect(plane.fake.flowRuns).toHaveLength(2);
  });

  it("ends when Prefect refuses the second one, and stands in no other run's way", async () => {
    const runs = [await crashed(), await crashed()];
    const { clock, step } = lostRuns();
    const spy = jest
      .spyOn(plane.gateway, 'createFlowRun')
      .mockRejectedValueOnce(new RefusedByPrefect(422, 'image is required'));
    const done = await watched(step, clock, 20);
    spy.mockRestore();
    const about = (what: RegExp) =>
      done.filter((it) => what.test(it) && runs.some(({ run_id }) => it.includes(run_id)));
    expect([about(/^Ended run .* as crashed/), about(/^Made flow run/)].map((it) => it.length)).toEqual([1, 1]);
  });

  it('is run by the second flow run, and the first one finds it taken', async () => {
    const run = await crashed();
    const { clock, step } = lostRuns();
    await watched(step, clock, 15);
    const second = await flowRunOf(run.run_id);
    expect(await plane.recorder.enter(entry(run, second, true))).toMatchObject({ id: run.run_id, status: 'queued' });
    const first = (await plane.gateway.readFlowRun(run.flow_run_id))!;
    const late = { ...entry(run, run.flow_run_id, false), ofItsRun: first.isOfItsRun };
    expect(await plane.recorder.enter(late)).toMatchObject({ id: run.run_id, taken: true });
    expect(await plane.sql(`SELECT id FROM sluice_control.run`)).toEqual([{ id: run.run_id }]);
  });

  it('is another one for a flow run that only bears its parameters', async () => {
    const run = await crashed();
    const { clock, step } = lostRuns();
    await watched(step, clock, 15);
    const copy = await plane.recorder.enter(entry(run, randomUUID(), false));
    expect(copy).toMatchObject({ status: 'queued', taken: false });
    expect(copy.id).not.toBe(run.run_id);
  });

  it('is run by the first one if that came before the second, which finds it taken', async () => {
    const run = await crashed();
    const request = { deploymentId: flowRun(run.flow_run_id).deployment_id!, ingestionId: run.id, runId: run.run_id };
    const { flowRunId: second } = await plane.gateway.createFlowRun({ ...request, instead: true });
    expect(await plane.recorder.enter(entry(run, run.flow_run_id, false))).toMatchObject({
      id: run.run_id,
      taken: false,
    });
    expect(await plane.recorder.enter(entry(run, second, true))).toMatchObject({ id: run.run_id, taken: true });
    expect(await plane.sql(`SELECT id FROM sluice_control.run`)).toEqual([{ id: run.run_id }]);
    const resubmission = new RunResubmission(plane.dataSource, plane.gateway);
    await resubmission.again({ id: run.run_id, ingestion_id: run.id, trigger: 'manual', flow_run_id: run.flow_run_id });
    expect(flowRun(second).state_type).toBe('CANCELLED');
    expect(await flowRunOf(run.run_id)).toBe(run.flow_run_id);
  });

  it('is entered by the second one even before the row says so', async () => {
    const run = await crashed();
    const request = { deploymentId: flowRun(run.flow_run_id).deployment_id!, ingestionId: run.id, runId: run.run_id };
    const { flowRunId: second } = await plane.gateway.createFlowRun({ ...request, instead: true });
    expect(await plane.recorder.enter(entry(run, second, true))).toMatchObject({ id: run.run_id, taken: false });
    const resubmission = new RunResubmission(plane.dataSource, plane.gateway);
    await resubmission.again({ id: run.run_id, ingestion_id: run.id, trigger: 'manual', flow_run_id: run.flow_run_id });
    expect(flowRun(second).state_type).toBe('SCHEDULED');
    expect(await flowRunOf(run.run_id)).toBe(second);
  });

  it('has one winner when both enter at once, each time', async () => {
    for (let round = 0; round < 20; round++) {
      const run = await crashed();
      const second = randomUUID();
      const entered = await Promise.all([
        plane.recorder.enter(entry(run, run.flow_run_id, false)),
        plane.recorder.enter(entry(run, second, true)),
      ]);
      const holders = entered.filter((it) => it.id === run.run_id && !it.taken);
      expect(holders).toHaveLength(1);
    }
  });

  it('gets none when it was cancelled, or when its process had come', async () => {
    const cancelled = await crashed();
    await plane.runs.cancelRun(cancelled.run_id).catch(() => undefined);
    const came = await crashed();
    await plane.recorder.enter(entry(came, came.flow_run_id, false));
    await silence(came.run_id, 30);
    const { clock, step } = lostRuns();
    expect(await watched(step, clock, 30)).toEqual([expect.stringContaining(`Ended run ${came.run_id} as crashed`)]);
    expect(plane.fake.flowRuns).toHaveLength(2);
  });

  it('waits for a Prefect that cannot make one', async () => {
    const run = await crashed();
    const { clock, step } = lostRuns();
    await plane.fake.misbehave('http_500', { route: /create_flow_run/ });
    expect(await watched(step, clock, 25)).toEqual([]);
    expect((await plane.runs.getRun(run.run_id)).status).toBe('queued');
    await plane.fake.behave();
    expect(await watched(step, clock, 0)).toEqual([expect.stringContaining(`for run ${run.run_id}`)]);
  });
});

describe('a tick whose process never came', () => {
  /** As a worker leaves one that cannot start: the flow run ends, and nobody enters. */
  async function broken(state: 'CRASHED' | 'FAILED') {
    const { id } = await plane.ingestions.createIngestion(anIngestion({ schedule: DAILY }));
    const deployment = plane.fake.deployments.find((it) => it.name === `ingestion-${id}`)!;
    const made = plannedRun(deployment, new Date(Date.now() - 60_000));
    plane.fake.flowRuns.push(made);
    enterState(made, newState(state, { message: 'exited with status code 2' }));
    return { id, made };
  }
  function brokenTicks() {
    const clock = new PassingClock();
    return { clock, step: new BrokenTicks(plane.dataSource, plane.gateway, clock) };
  }

  it.each(['CRASHED', 'FAILED'] as const)('and that is %s becomes a crashed run, once, which counts', async (state) => {
    const { id, made } = await broken(state);
    const { clock, step } = brokenTicks();
    expect(await watched(step, clock, 10)).toEqual([]);
    expect(await watched(step, clock, 60)).toHaveLength(1);
    expect(await watched(brokenTicks().step, clock, 60)).toEqual([]);
    expect((await plane.runs.listRuns(id)).items).toMatchObject([
      {
        ...{ trigger: 'scheduled', status: 'crashed', flow_run_id: made.id, started_at: null },
        planned_at: new Date(made.expected_start_time),
        errors: [{ error_type: 'FlowRunEnded', message: expect.stringContaining('status code 2') as string }],
      },
    ]);
    expect((await plane.ingestions.getIngestion(id)).metadata.consecutive_failures).toBe(1);
  });

  it('is recorded once by many leaders at once', async () => {
    const { id } = await broken('CRASHED');
    await Promise.all(
      Array.from({ length: 5 }, () => {
        const { clock, step } = brokenTicks();
        return watched(step, clock, 30);
      }),
    );
    expect((await plane.runs.listRuns(id)).items).toHaveLength(1);
    expect((await plane.ingestions.getIngestion(id)).metadata.consecutive_failures).toBe(1);
  });

  it('is asked for by what ended since the pass before, and recorded though it is not answered again', async () => {
    const { id } = await broken('CRASHED');
    const { clock, step } = brokenTicks();
    const asked = jest.spyOn(plane.gateway, 'brokenTicks');
    expect(await watched(step, clock, 120)).toHaveLength(1);
    const looksBack = asked.mock.calls.map(([since], pass) => Date.now() + pass * 5_000 - since.getTime());
    asked.mockRestore();
    expect(looksBack[0]).toBeGreaterThan(3_500_000);
    expect(Math.max(...looksBack.slice(1))).toBeLessThan(90_000);
    expect((await plane.runs.listRuns(id)).items).toHaveLength(1);
  });

  it('is nothing when Prefect has put it back before it was recorded', async () => {
    const { made } = await broken('FAILED');
    const { clock, step } = brokenTicks();
    expect(await watched(step, clock, 5)).toEqual([]);
    enterState(made, newState('SCHEDULED', { name: 'AwaitingRetry' }));
    expect(await watched(step, clock, 60)).toEqual([]);
  });

  it('is nothing when its process has come, or when its ingestion is not ours', async () => {
    const { id, made } = await broken('CRASHED');
    const plannedAt = new Date(made.expected_start_time);
    await plane.recorder.enter({ ingestionId: id, flowRunId: made.id, runId: null, scheduled: true, plannedAt });
    const { made: foreign } = await broken('CRASHED');
    foreign.parameters = { ingestion_id: randomUUID() };
    const { made: nameless } = await broken('CRASHED');
    nameless.parameters = { ingestion_id: 'x' };
    const { clock, step } = brokenTicks();
    expect(await watched(step, clock, 60)).toEqual([]);
    expect(await plane.sql('SELECT status FROM sluice_control.run')).toEqual([{ status: 'queued' }]);
  });
});

describe('the pulse of a process', () => {
  async function pulse() {
    const app = await Test.createTestingModule({
      imports: [KernelModule.forRoot(plane.config), DatabaseModule.forRoot(), RunRecorderModule],
    }).compile();
    return { pulse: app.get(RunPulse), close: () => app.close() };
  }
  const heartbeat = async (id: string) =>
    (
      await plane.sql<{ at: Date | null }>(`SELECT heartbeat_at AS at FROM sluice_control.run WHERE id = $1`, [id])
    )[0]?.at?.getTime() ?? 0;
  const cut = () =>
    plane.sql(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sluice-pulse' AND datname = current_database()`,
    );

  async function beating(run: { run_id: string; flow_run_id: string; executor: string }) {
    const orders: StopOrder[] = [];
    const { pulse: it, close } = await pulse();
    it.begin({ id: run.run_id, flowRunId: run.flow_run_id, executor: run.executor }, (order) => orders.push(order));
    const end = async () => {
      await it.end();
      await close();
    };
    return { orders, end };
  }

  it('is written by the clock of the database, also after its connection was cut', async () => {
    const run = await begun(60);
    const { orders, end } = await beating(run);
    await until(async () => Date.now() - (await heartbeat(run.run_id)) < 30_000);
    await cut();
    await silence(run.run_id, 60);
    await until(async () => Date.now() - (await heartbeat(run.run_id)) < 30_000);
    expect(orders).toEqual([]);
    await end();
  });

  it('tells its process to stop when the run is to be cancelled, though Prefect says nothing', async () => {
    const run = await begun(60);
    const { orders, end } = await beating(run);
    await plane.sql(`UPDATE sluice_control.run SET cancel_requested_at = now() WHERE id = $1`, [run.run_id]);
    await until(() => orders.length > 0);
    expect(orders).toEqual([expect.objectContaining({ kind: 'cancelled' })]);
    await end();
  });

  it('tells its process to stop when the run was given up for lost, or taken over', async () => {
    const [lost, taken] = [await begun(60), await begun(60)];
    const pulses = [await beating(lost), await beating(taken)];
    await until(async () => Date.now() - (await heartbeat(taken.run_id)) < 30_000);
    await plane.sql(`UPDATE sluice_control.run SET status = 'crashed', ended_at = now() WHERE id = $1`, [lost.run_id]);
    await plane.recorder.takeOver(taken.run_id, randomUUID());
    await until(() => pulses.every(({ orders }) => orders.length > 0));
    expect(pulses.flatMap(({ orders }) => orders.map(({ kind }) => kind))).toEqual(['ended', 'ended']);
    for (const { end } of pulses) await end();
  });

  it('does not beat for a run that another process executes', async () => {
    const run = await begun(60);
    const before = await heartbeat(run.run_id);
    const { orders, end } = await beating({ ...run, executor: randomUUID() });
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(await heartbeat(run.run_id)).toBe(before);
    expect(orders).toEqual([]);
    await end();
  });
});
