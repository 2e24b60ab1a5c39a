import { randomUUID } from 'node:crypto';
import type { BatchOrchestrator } from '@sluice/batch-orchestrator';
import { RunQueue, SUPERSEDED } from '@sluice/ingestion';
import type { FlowRunSession } from '@sluice/orchestration-gateway';
import { SystemClock } from '@sluice/kernel';
import { RunTurn, type Taken } from './turn';
import { anIngestion, startControlPlane, until, type ControlPlane } from '../../../test/support/control-plane';
import { plannedRun } from '../../../test/support/fake-prefect/flow-runs';
import { sessionOf } from '../../../test/support/flow-run-session';

let plane: ControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
});
afterAll(() => plane.close());

const MINUTE = 60_000;
const clock = new SystemClock();
/** The run that has the lease; loading itself is not looked at here. */
let holder: string | null = null;
/** How often the destination cannot be asked who has the lease. */
let unasked = 0;
beforeEach(() => {
  [holder, unasked] = [null, 0];
});

async function minutely(policies: object): Promise<string> {
  const schedule = { frequency: 'custom', cron_expression: '* * * * *', ...policies };
  return (await plane.ingestions.createIngestion(anIngestion({ schedule }))).id;
}

/** The ticks of the minutes before the last one, as Prefect has them after an outage. */
function lateTicks(id: string, count: number): string[] {
  const deployment = plane.fake.deployments.find((it) => it.name === `ingestion-${id}`)!;
  const last = Math.floor(Date.now() / MINUTE) * MINUTE - 2 * MINUTE;
  const runs = Array.from({ length: count }, (_, n) =>
    plannedRun(deployment, new Date(last - (count - 1 - n) * MINUTE)),
  );
  plane.fake.flowRuns.push(...runs);
  return runs.map((run) => run.id);
}

function busyWith(): Promise<string | null> {
  if (unasked === 0) return Promise.resolve(holder);
  unasked -= 1;
  return Promise.reject(new Error('The destination is away.'));
}

/** What a process does with a flow run until it knows whether it loads. Its end is told to Prefect, as `FlowRunExecution` does. */
async function process(id: string, flowRunId: string, changed: Partial<FlowRunSession> = {}): Promise<Taken> {
  const session = Object.assign(sessionOf(plane.config, flowRunId), changed);
  const { signal } = new AbortController();
  try {
    const flowRun = (await session.read())!;
    const entry = { ingestionId: id, flowRunId, runId: null, scheduled: true, plannedAt: flowRun.expectedStartAt };
    const { id: runId } = await plane.recorder.enter(entry);
    const orchestrator = { busyWith } as unknown as BatchOrchestrator;
    const turn = new RunTurn(session, new RunQueue(plane.dataSource, clock), orchestrator, clock);
    const taken = await turn.take({ runId, ingestionId: id, flowRun, signal });
    if (taken.kind === 'load') holder = runId;
    if (taken.kind === 'over') await session.finish(taken.outcome, taken.why);
    return taken;
  } finally {
    await session.close();
  }
}

const kinds = (all: Taken[]) => all.map((it) => (it.kind === 'over' ? it.outcome : it.kind)).sort();
const countersOf = async (id: string) => (await plane.ingestions.getIngestion(id)).counters;
const stateOf = (flowRunId: string) => plane.fake.flowRuns.find((it) => it.id === flowRunId)!.state;

describe('five ticks that are late', () => {
  it('of processes that start at once one loads, and it is the last tick; the others count once', async () => {
    for (let round = 0; round < 5; round++) {
      holder = null;
      const id = await minutely({ missed_runs: 'latest' });
      const ticks = lateTicks(id, 5);
      const taken = await Promise.all(ticks.map((tick) => process(id, tick)));
      expect(taken[4]).toEqual({ kind: 'load' });
      expect(kinds(taken)).toEqual(['cancelled', 'cancelled', 'cancelled', 'cancelled', 'load']);
      expect(await countersOf(id)).toEqual({ missed: 0, superseded: 4, overlap_skipped: 0 });
    }
  });

  it.each([
    ['oldest first', [0, 1, 2, 3, 4]],
    ['newest first', [4, 3, 2, 1, 0]],
    ['mixed', [2, 4, 0, 3, 1]],
  ])('%s, one after the other: the same', async (_, order) => {
    const id = await minutely({ missed_runs: 'latest' });
    const ticks = lateTicks(id, 5);
    const taken: Taken[] = [];
    for (const index of order) taken.push(await process(id, ticks[index]!));
    expect(kinds(taken)).toEqual(['cancelled', 'cancelled', 'cancelled', 'cancelled', 'load']);
    expect(await countersOf(id)).toEqual({ missed: 0, superseded: 4, overlap_skipped: 0 });
    expect(stateOf(ticks[0]!)).toMatchObject({ type: 'CANCELLED', message: 'superseded by a later tick' });
  });

  it('under none each is missed, and counts once, also when its process is started again', async () => {
    const id = await minutely({ missed_runs: 'none' });
    const ticks = lateTicks(id, 5);
    expect(kinds(await Promise.all(ticks.map((tick) => process(id, tick))))).toEqual(Array(5).fill('cancelled'));
    await Promise.all(ticks.map((tick) => process(id, tick)));
    expect(await countersOf(id)).toEqual({ missed: 5, superseded: 0, overlap_skipped: 0 });
  });
});

describe('a late tick whose process died before it knew its turn', () => {
  it('is superseded by the later one, and keeps nobody waiting', async () => {
    const id = await minutely({ missed_runs: 'latest' });
    const [dead, next] = lateTicks(id, 2) as [string, string];
    const plannedAt = new Date(plane.fake.flowRuns.find((it) => it.id === dead)!.expected_start_time);
    const entry = { ingestionId: id, flowRunId: dead, runId: null, scheduled: true, plannedAt };
    const { id: runId } = await plane.recorder.enter(entry);
    expect(await process(id, next)).toEqual({ kind: 'load' });
    expect(await plane.runs.getRun(runId)).toMatchObject({
      status: 'cancelled',
      errors: [{ message: 'superseded by a later tick' }],
    });
    expect(await countersOf(id)).toEqual({ missed: 0, superseded: 1, overlap_skipped: 0 });
  });
});

describe('a tick of an ingestion that has no timetable', () => {
  it.each([
    ['because it is withdrawn', null],
    ['because it runs by hand only', { frequency: 'manual', cron_expression: null }],
  ])('%s ends and loads nothing', async (_, schedule) => {
    const id = await minutely({});
    const tick = lateTicks(id, 1)[0]!;
    const status = schedule === null ? 'draft' : 'active';
    const sql = `UPDATE sluice_control.ingestion SET status = $2, prefect_deployment_id = NULL, schedule = $3::jsonb WHERE id = $1`;
    await plane.sql(sql, [id, status, schedule && JSON.stringify(schedule)]);
    const why = 'The ingestion has no timetable; nothing was loaded.';
    expect(await process(id, tick)).toEqual({ kind: 'over', outcome: 'cancelled', why });
    expect(stateOf(tick)).toMatchObject({ type: 'CANCELLED', message: why });
  });
});

describe('a late tick before others that Prefect never planned', () => {
  const THIS_MINUTE = Math.floor(Date.now() / MINUTE) * MINUTE;
  const plan = (id: string, minutes: number): string => {
    const deployment = plane.fake.deployments.find((it) => it.name === `ingestion-${id}`)!;
    const run = plannedRun(deployment, new Date(THIS_MINUTE + minutes * MINUTE));
    plane.fake.flowRuns.push(run);
    return run.id;
  };
  const seenUntil = (id: string, minutes: number) =>
    plane.sql('UPDATE sluice_control.ingestion SET ticks_seen_until = $2 WHERE id = $1', [
      id,
      new Date(THIS_MINUTE + minutes * MINUTE),
    ]);
  /** Of a quarter of an hour ago, the last that was planned before Prefect was away; since it is back it plans on. */
  async function afterOutage(): Promise<{ id: string; tick: string }> {
    const id = await minutely({ missed_runs: 'latest' });
    plane.fake.flowRuns.splice(0, Infinity);
    await seenUntil(id, -17);
    plan(id, 5);
    return { id, tick: plan(id, -15) };
  }
  const plannedTimes = async (id: string) =>
    (await plane.runs.listRuns(id)).items.filter((it) => it.status !== 'cancelled').map((it) => it.planned_at);

  it('is superseded, and the last of them runs', async () => {
    const { id, tick } = await afterOutage();
    expect(await process(id, tick)).toMatchObject({ kind: 'over', outcome: 'cancelled', why: SUPERSEDED });
    await until(async () => {
      await plane.reconciler.runOnce();
      return (await plannedTimes(id)).length > 0;
    });
    const [last, ...others] = await plannedTimes(id);
    expect(last!.getTime()).toBeGreaterThan(THIS_MINUTE - 4 * MINUTE);
    expect(others).toEqual([]);
    expect(await countersOf(id)).toMatchObject({ missed: 0, overlap_skipped: 0 });
  });

  it('is no run that the last of them meets: it waits until that has given way', async () => {
    const { id, tick } = await afterOutage();
    const plannedAt = new Date(THIS_MINUTE - 15 * MINUTE);
    await plane.recorder.enter({ ingestionId: id, flowRunId: tick, runId: null, scheduled: true, plannedAt });
    await plane.reconciler.runOnce();
    expect(await countersOf(id)).toEqual({ missed: 0, superseded: 0, overlap_skipped: 0 });
    expect(await process(id, tick)).toMatchObject({ kind: 'over', why: SUPERSEDED });
    await plane.reconciler.runOnce();
    expect(await plannedTimes(id)).toHaveLength(1);
    expect(await countersOf(id)).toMatchObject({ missed: 0, overlap_skipped: 0 });
  });

  it.each<[string, (id: string) => unknown]>([
    ['are accounted for', (id) => seenUntil(id, 0)],
    ['were never planned, since nothing is', () => plane.fake.flowRuns.splice(0, 1)],
    ['were planned after all, and ended by somebody', (id) => cancelled(plan(id, -1))],
    ['had a run, which somebody cancelled', (id) => cancelledRun(id)],
    ['cannot be told while Prefect may differ', (id) => suspected(id)],
  ])('runs where those %s', async (_, so) => {
    const { id, tick } = await afterOutage();
    await so(id);
    expect(await process(id, tick)).toEqual({ kind: 'load' });
  });

  function cancelled(flowRunId: string): void {
    const run = plane.fake.flowRuns.find((it) => it.id === flowRunId)!;
    Object.assign(run, { state_type: 'CANCELLED', state: { ...run.state, type: 'CANCELLED', name: 'Cancelled' } });
  }
  const suspected = (id: string) =>
    plane.sql('UPDATE sluice_control.ingestion SET drift_suspected = true WHERE id = $1', [id]);
  async function cancelledRun(id: string): Promise<void> {
    const plannedAt = new Date(THIS_MINUTE - MINUTE);
    const entry = { ingestionId: id, flowRunId: randomUUID(), runId: null, scheduled: true, plannedAt };
    await plane.recorder.dismiss((await plane.recorder.enter(entry)).id, 'cancelled', []);
  }
});

describe('ticks that meet a run', () => {
  /** Somebody's run that has the lease. */
  const active = async (id: string) => {
    const { run_id } = await plane.ingestions.triggerManualRun(id);
    await plane.recorder.start(run_id, randomUUID());
    return (holder = run_id);
  };
  const ended = (runId: string) =>
    plane.sql(`UPDATE sluice_control.run SET status = 'success', ended_at = now() WHERE id = $1`, [runId]);

  it('that has ended but not yet let go of the lease wait for it, and are not skipped', async () => {
    const id = await minutely({ overlap_policy: 'skip' });
    const runId = await active(id);
    await plane.sql(`UPDATE sluice_control.run SET status = 'crashed', ended_at = now() WHERE id = $1`, [runId]);
    const taken = process(id, lateTicks(id, 1)[0]!);
    setTimeout(() => (holder = null), 700);
    expect(await taken).toEqual({ kind: 'load' });
  });

  it.each([
    ['skip', { kind: 'over', outcome: 'skipped' }],
    ['queue_one', { kind: 'given-back' }],
  ])('that is between two attempts, without a lease, do not overtake it (%s)', async (overlap_policy, expected) => {
    const id = await minutely({ overlap_policy });
    await active(id);
    holder = null;
    expect(await process(id, lateTicks(id, 1)[0]!)).toMatchObject(expected);
  });

  it('ask again when the destination cannot say who has the lease', async () => {
    const id = await minutely({ overlap_policy: 'queue_one' });
    const runId = await active(id);
    unasked = 2;
    const taken = process(id, lateTicks(id, 1)[0]!);
    await until(
      async () =>
        (await plane.sql(`SELECT FROM sluice_control.run WHERE place = 'waiting' AND ingestion_id = $1`, [id])).length >
        0,
    );
    expect(unasked).toBe(0);
    await ended(runId);
    holder = null;
    expect(await taken).toEqual({ kind: 'load' });
  });

  it('are given back when it cannot say for long, and load when there is nobody to wait for', async () => {
    const [met, alone] = [
      await minutely({ overlap_policy: 'queue_one' }),
      await minutely({ overlap_policy: 'queue_one' }),
    ];
    await active(met);
    unasked = 1_000;
    const taken = await Promise.all([met, alone].map((id) => process(id, lateTicks(id, 1)[0]!)));
    expect(taken).toEqual([{ kind: 'given-back' }, { kind: 'load' }]);
  });

  it('are not taken for dead under replace while Prefect is long in answering', async () => {
    const id = await minutely({ overlap_policy: 'replace' });
    const runId = await active(id);
    const tick = lateTicks(id, 1)[0]!;
    const heartbeat = async () =>
      (await plane.sql(`SELECT heartbeat_at::text AS at FROM sluice_control.run WHERE flow_run_id = $1`, [tick]))[0]
        ?.at;
    let [asked, answered] = [false, false];
    const cancelOther = async () => {
      asked = true;
      await until(() => Promise.resolve(answered));
    };
    const taken = process(id, tick, { cancelOther });
    await until(() => Promise.resolve(asked));
    const before = await heartbeat();
    await until(async () => (await heartbeat()) !== before);
    await ended(runId);
    [holder, answered] = [null, true];
    expect(await taken).toEqual({ kind: 'load' });
  });

  it('whose process is gone without a lease load at once', async () => {
    const id = await minutely({ overlap_policy: 'skip' });
    const runId = await active(id);
    holder = null;
    await plane.sql(`UPDATE sluice_control.run SET heartbeat_at = now() - interval '21 s' WHERE id = $1`, [runId]);
    expect(await process(id, lateTicks(id, 1)[0]!)).toEqual({ kind: 'load' });
  });

  it('wait under queue_one, are given back to Prefect, and load when another process takes them up', async () => {
    const id = await minutely({ overlap_policy: 'queue_one' });
    const runId = await active(id);
    const [tick] = lateTicks(id, 1);
    expect(await process(id, tick!)).toEqual({ kind: 'given-back' });
    expect(stateOf(tick!)).toMatchObject({ type: 'SCHEDULED', name: 'AwaitingConcurrencySlot' });
    expect(Date.parse(stateOf(tick!).state_details.scheduled_time!)).toBeGreaterThan(Date.now());
    const [row] = await plane.sql('SELECT status, place, heartbeat_at FROM sluice_control.run WHERE flow_run_id = $1', [
      tick,
    ]);
    expect(row).toEqual({ status: 'queued', place: 'waiting', heartbeat_at: null });
    await ended(runId);
    holder = null;
    expect(await process(id, tick!)).toEqual({ kind: 'load' });
    expect(await countersOf(id)).toEqual({ missed: 0, superseded: 0, overlap_skipped: 0 });
  });

  it('and wait end as crashed when they were given up for lost', async () => {
    const id = await minutely({ overlap_policy: 'queue_one' });
    await active(id);
    const tick = lateTicks(id, 1)[0]!;
    const taken = process(id, tick);
    const crash = `UPDATE sluice_control.run SET status = 'crashed', ended_at = now() WHERE flow_run_id = $1 AND place = 'waiting' RETURNING id`;
    await until(async () => (await plane.sql(crash, [tick])).length > 0);
    expect(await taken).toMatchObject({ kind: 'over', outcome: 'crashed' });
  });

  it.each([
    ['deleted', (id: string) => plane.ingestions.deleteIngestion(id), /deleted/],
    ['paused', (id: string) => plane.ingestions.pauseIngestion(id), /^paused$/],
  ])('and wait end by themselves when the ingestion is %s', async (_, change, why) => {
    const id = await minutely({ overlap_policy: 'queue_one' });
    await active(id);
    const [tick] = lateTicks(id, 1);
    // Claimed by a worker: what is only planned goes with the pause.
    Object.assign(
      plane.fake.flowRuns.find((it) => it.id === tick)!,
      { state_type: 'PENDING' },
    );
    const taken = process(id, tick!);
    await until(
      async () =>
        (await plane.sql(`SELECT 1 FROM sluice_control.run WHERE place = 'waiting' AND ingestion_id = $1`, [id]))
          .length > 0,
    );
    await change(id);
    expect(await taken).toEqual({ kind: 'over', outcome: 'cancelled', why: expect.stringMatching(why) as string });
  });
});
