import { randomUUID } from 'node:crypto';
import { LeaderLock } from '@sluice/database';
import { ReconcilerTimer, type Reconciler } from '@sluice/ingestion';
import { SystemClock } from '@sluice/kernel';
import type { Installation } from '../../libs/ingestion/src/installation';
import { LostRuns } from '../../libs/ingestion/src/reconciler/lost-runs';
import { RunResubmission } from '../../libs/ingestion/src/runs/run-resubmission';
import { RunSettlement } from '../../libs/ingestion/src/runs/run-settlement';
import { anIngestion, DAILY, startControlPlane, until, type ControlPlane } from '../support/control-plane';
import { enterState, newState } from '../support/fake-prefect';

let plane: ControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
});
afterEach(async () => {
  await plane.fake.behave();
  await until(() => plane.gateway.initialized);
});
afterAll(() => plane.close());

class LateClock extends SystemClock {
  late = 0;
  /** What somebody set the time of day by. */
  set = 0;
  override now() {
    return new Date(Date.now() + this.late + this.set);
  }
  override elapsed() {
    return super.elapsed() + this.late;
  }
}

const scheduled = () => plane.ingestions.createIngestion(anIngestion({ schedule: DAILY }));
const deploymentOf = (id: string) => plane.fake.deployments.find((it) => it.name === `ingestion-${id}`);
const flowRun = (id: string) => plane.fake.flowRuns.find((it) => it.id === id)!;
const expire = (id: string, status: string, operation: string) =>
  plane.sql(
    `UPDATE sluice_control.ingestion SET status = $2, operation = $3, operation_id = $4, operation_expires_at = now() - interval '1 s' WHERE id = $1`,
    [id, status, operation, randomUUID()],
  );

describe('an operation whose process died', () => {
  it('create: row and deployment go', async () => {
    const { id } = await scheduled();
    await expire(id, 'provisioning', 'create');
    const done = await plane.reconciler.runOnce();
    expect(done).toContain(`Removed ingestion ${id}, whose creation never ended`);
    expect(done).toContain(`Removed the deployment of deleted ingestion ${id}`);
    expect(deploymentOf(id)).toBeUndefined();
    expect(await plane.sql('SELECT 1 FROM sluice_control.ingestion WHERE id = $1', [id])).toEqual([]);
  });

  it('update: Prefect is brought back to what the row says, under the same schedule id', async () => {
    const { id } = await scheduled();
    const deployment = deploymentOf(id)!;
    const scheduleId = deployment.schedules[0]!.id;
    deployment.schedules[0]!.schedule.cron = '0 * * * *';
    deployment.paused = true;
    await expire(id, 'active', 'update');
    expect(await plane.reconciler.runOnce()).toContain(
      `Freed ingestion ${id} from the operation update, which never ended`,
    );
    expect(deployment).toMatchObject({
      paused: false,
      schedules: [{ id: scheduleId, schedule: { cron: '0 6 * * *' } }],
    });
    expect((await plane.ingestions.pauseIngestion(id)).status).toBe('paused');
  });

  it('trigger: the ingestion is free, and its deployment is left alone', async () => {
    const { id } = await scheduled();
    await expire(id, 'active', 'trigger');
    plane.fake.requests.length = 0;
    await plane.reconciler.runOnce();
    expect(plane.fake.requests.filter((it) => it.path.includes(deploymentOf(id)!.id))).toEqual([]);
    expect(await plane.sql('SELECT operation FROM sluice_control.ingestion WHERE id = $1', [id])).toEqual([
      { operation: null },
    ]);
  });

  it('one that is still under way is left alone', async () => {
    const { id } = await scheduled();
    await expire(id, 'active', 'update');
    await plane.sql(
      `UPDATE sluice_control.ingestion SET operation_expires_at = now() + interval '1 hour' WHERE id = $1`,
      [id],
    );
    expect((await plane.reconciler.runOnce()).filter((it) => it.includes(id))).toEqual([]);
  });
});

describe('tombstones', () => {
  it('are removed a few per pass', async () => {
    await plane.sql('DELETE FROM sluice_control.tombstone');
    await plane.sql(
      `INSERT INTO sluice_control.tombstone (ingestion_id) SELECT gen_random_uuid() FROM generate_series(1, 8)`,
    );
    expect(await plane.reconciler.runOnce()).toHaveLength(5);
    expect(await plane.reconciler.runOnce()).toHaveLength(3);
  });

  it('are left alone, without a word, while Prefect cannot be used', async () => {
    await plane.sql(`INSERT INTO sluice_control.tombstone (ingestion_id) VALUES (gen_random_uuid())`);
    await plane.fake.misbehave('http_500');
    await until(() => !plane.gateway.initialized);
    expect(await plane.reconciler.runOnce()).toEqual([]);
    expect(await plane.sql('SELECT attempts FROM sluice_control.tombstone')).toEqual([{ attempts: 0 }]);
  });
});

describe('a run whose process is gone', () => {
  function lostRuns() {
    const clock = new LateClock();
    const settlement = new RunSettlement(plane.dataSource, plane.gateway);
    const resubmission = new RunResubmission(plane.dataSource, plane.gateway);
    return { clock, step: new LostRuns(plane.dataSource, plane.gateway, settlement, resubmission, clock) };
  }
  /** A process began it, and has not been heard of for half a minute. */
  const begun = async (runId: string, executor: string = randomUUID()) => {
    await plane.recorder.start(runId, executor);
    await plane.sql(`UPDATE sluice_control.run SET heartbeat_at = now() - interval '30 seconds' WHERE id = $1`, [
      runId,
    ]);
    return executor;
  };

  it('is ended on the word of Prefect, after a grace in which the process may still speak', async () => {
    const { clock, step } = lostRuns();
    const { run_id, flow_run_id } = await plane.ingestions.triggerManualRun((await scheduled()).id);
    await begun(run_id);
    enterState(flowRun(flow_run_id), newState('CRASHED'));
    expect(await step.run()).toEqual([]);
    clock.late = 14_000;
    expect(await step.run()).toEqual([]);
    clock.late = 15_100;
    expect(await step.run()).toEqual([expect.stringMatching(`^Ended run ${run_id} as crashed: `)]);
    expect((await plane.runs.getRun(run_id)).status).toBe('crashed');
  });

  it('is ended in time also when the time of day is set back by an hour', async () => {
    const { clock, step } = lostRuns();
    const { run_id, flow_run_id } = await plane.ingestions.triggerManualRun((await scheduled()).id);
    await begun(run_id);
    enterState(flowRun(flow_run_id), newState('CRASHED'));
    await step.run();
    clock.set = -3_600_000;
    clock.late = 15_100;
    expect(await step.run()).toEqual([expect.stringMatching(`^Ended run ${run_id} as crashed: `)]);
  });

  it('keeps what its process said within the grace', async () => {
    const { clock, step } = lostRuns();
    const { run_id, flow_run_id } = await plane.ingestions.triggerManualRun((await scheduled()).id);
    const executor = await begun(run_id);
    enterState(flowRun(flow_run_id), newState('COMPLETED'));
    await step.run();
    const { metrics } = await plane.runs.getRun(run_id);
    await plane.recorder.end(run_id, executor, { status: 'success', metrics, errors: [] });
    clock.late = 60_000;
    expect(await step.run()).toEqual([]);
    expect((await plane.runs.getRun(run_id)).status).toBe('success');
  });

  it('whose flow run vanished counts as crashed', async () => {
    const { clock, step } = lostRuns();
    const { run_id, flow_run_id } = await plane.ingestions.triggerManualRun((await scheduled()).id);
    await begun(run_id);
    plane.fake.flowRuns.splice(plane.fake.flowRuns.indexOf(flowRun(flow_run_id)), 1);
    await step.run();
    clock.late = 15_100;
    expect(await step.run()).toEqual([
      `Ended run ${run_id} as crashed: Its flow run does not exist in Prefect any more.`,
    ]);
  });

  it('lives as long as it is heard of, whatever a worker that lost sight of it told Prefect', async () => {
    const { clock, step } = lostRuns();
    const { run_id, flow_run_id } = await plane.ingestions.triggerManualRun((await scheduled()).id);
    await plane.recorder.start(run_id, randomUUID());
    enterState(flowRun(flow_run_id), newState('CRASHED'));
    await step.run();
    clock.late = 60_000;
    expect(await step.run()).toEqual([]);
    expect((await plane.runs.getRun(run_id)).status).toBe('running');
  });

  it('that Prefect shows as running is left to its heartbeat', async () => {
    const { clock, step } = lostRuns();
    const { run_id, flow_run_id } = await plane.ingestions.triggerManualRun((await scheduled()).id);
    await begun(run_id);
    enterState(flowRun(flow_run_id), newState('RUNNING'));
    await step.run();
    clock.late = 3_600_000;
    await step.run();
    expect((await plane.runs.getRun(run_id)).status).toBe('running');
  });

  it('is found behind many that are still running', async () => {
    const { clock, step } = lostRuns();
    const { id } = await scheduled();
    const deployment = deploymentOf(id)!;
    const made = await Promise.all(
      Array.from({ length: 450 }, () =>
        plane.gateway.createFlowRun({ deploymentId: deployment.id, ingestionId: id, runId: randomUUID() }),
      ),
    );
    const sql = `INSERT INTO sluice_control.run (id, ingestion_id, flow_run_id, trigger, status, metrics)
      SELECT gen_random_uuid(), $1, flow_run, 'manual', 'queued', '{}' FROM unnest($2::uuid[]) AS flow_run`;
    await plane.sql(sql, [id, made.map(({ flowRunId }) => flowRunId)]);
    const [last] = await plane.sql<{ id: string; flow_run_id: string }>(
      `SELECT id, flow_run_id FROM sluice_control.run WHERE ingestion_id = $1 ORDER BY id DESC LIMIT 1`,
      [id],
    );
    enterState(flowRun(last!.flow_run_id), newState('FAILED'));
    await step.run();
    clock.late = 15_100;
    expect(await step.run()).toEqual([expect.stringContaining(`Ended run ${last!.id} as failed`)]);
    await plane.sql(`DELETE FROM sluice_control.run WHERE ingestion_id = $1`, [id]);
  });
});

describe('the leader', () => {
  const locks: LeaderLock[] = [];
  const lock = () => {
    const made = new LeaderLock(plane.url, KEY);
    locks.push(made);
    return made;
  };
  const timers: ReconcilerTimer[] = [];
  afterEach(async () => {
    await Promise.all(timers.splice(0).map((it) => it.onModuleDestroy()));
    await Promise.all(locks.splice(0).map((it) => it.release()));
  });
  const leaders = async () => {
    const sql = `SELECT 1 FROM pg_stat_activity WHERE application_name = 'sluice-leader' AND datname = current_database()`;
    return (await plane.sql(sql)).length;
  };
  const KEY = 424_242;

  it('is one of many, and another as soon as it is gone', async () => {
    const all = Array.from({ length: 5 }, lock);
    const held = await Promise.all(all.map((it) => it.hold()));
    expect(held.filter(Boolean)).toHaveLength(1);
    const leader = all[held.indexOf(true)]!;
    const other = all[held.indexOf(false)]!;
    expect([await leader.hold(), await other.hold()]).toEqual([true, false]);
    await leader.release();
    expect(await other.hold()).toBe(true);
  });

  it('is the only one whose reconciler runs, though all ask who they are; none runs after its process was told to stop', async () => {
    const passes = [0, 0];
    const spoken = new Set<number>();
    passes.forEach((_, index) => {
      const installation = { recall: () => Promise.resolve(spoken.add(index)) } as unknown as Installation;
      const runOnce = () => Promise.resolve([`pass ${String((passes[index]! += 1))}`]);
      timers.push(
        new ReconcilerTimer(plane.config, new SystemClock(), { runOnce } as unknown as Reconciler, installation),
      );
    });
    for (const timer of timers) timer.onApplicationBootstrap();
    await until(() => passes.some((count) => count > 0));
    await until(async () => (await leaders()) === 1);
    expect([...passes].sort()).toEqual([0, 1]);
    expect([...spoken].sort()).toEqual([0, 1]);
    await Promise.all(timers.map((timer) => timer.onModuleDestroy()));
    await until(async () => (await leaders()) === 0);
    expect([...passes].sort()).toEqual([0, 1]);
  });

  it('notices that its connection was cut, and does not believe that it still leads', async () => {
    const [leader, other] = [lock(), lock()];
    expect(await leader.hold()).toBe(true);
    await plane.sql(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sluice-leader' AND datname = current_database()`,
    );
    await until(async () => (await other.hold()) && !(await leader.hold()));
  });
});
