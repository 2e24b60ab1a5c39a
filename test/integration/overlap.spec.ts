import { randomUUID } from 'node:crypto';
import { RunQueue } from '@sluice/ingestion';
import { Conflict, RunActive, SystemClock } from '@sluice/kernel';
import { anIngestion, DAILY, refusalOf, startControlPlane, type ControlPlane } from '../support/control-plane';
import { plannedRun } from '../support/fake-prefect/flow-runs';

let plane: ControlPlane;
let turns: RunQueue;
beforeAll(async () => {
  plane = await startControlPlane();
  turns = new RunQueue(plane.dataSource, new SystemClock());
});
afterEach(() => plane.fake.behave());
afterAll(() => plane.close());

const TWENTY = Array.from({ length: 20 }, (_, index) => index);

const withPolicy = async (overlap_policy: string) =>
  (await plane.ingestions.createIngestion(anIngestion({ schedule: { ...DAILY, overlap_policy } }))).id;
const trigger = (id: string) => plane.ingestions.triggerManualRun(id);
/** As its process does when it has got the lease. */
const begin = (runId: string) => plane.recorder.start(runId, randomUUID());
const flowRunOf = (id: string) => plane.fake.flowRuns.find((it) => it.id === id);
const countersOf = async (id: string) => (await plane.ingestions.getIngestion(id)).counters;
const placesOf = (id: string) =>
  plane.sql('SELECT id, status, place FROM sluice_control.run WHERE ingestion_id = $1 ORDER BY created_at, id', [id]);
let minute = 0;
/** A row as the process of a tick makes it. */
const tick = async (id: string) => {
  const plannedAt = new Date(Date.UTC(2026, 0, 1, 0, (minute += 1)));
  const flowRun = plannedRun(
    plane.fake.deployments.find((it) => it.name === `ingestion-${id}`)!,
    plannedAt,
  );
  plane.fake.flowRuns.push(flowRun);
  return plane.recorder.enter({ ingestionId: id, flowRunId: flowRun.id, runId: null, scheduled: true, plannedAt });
};

describe('a change of the policy alone', () => {
  it('needs no Prefect', async () => {
    const id = await withPolicy('skip');
    plane.fake.requests.length = 0;
    const schedule = { ...DAILY, overlap_policy: 'replace', missed_runs: 'none' };
    const changed = await plane.ingestions.updateIngestion(id, { schedule });
    expect(changed.schedule).toMatchObject({ overlap_policy: 'replace', missed_runs: 'none' });
    expect(plane.fake.requests.filter((it) => it.method === 'PATCH')).toEqual([]);
  });
});

describe('a trigger while a run is active', () => {
  it('is refused under skip, naming the active run', async () => {
    const id = await withPolicy('skip');
    const first = await trigger(id);
    await begin(first.run_id);
    expect(await refusalOf(trigger(id))).toEqual(new RunActive(first.run_id));
  });

  it('waits under queue_one; the next one is refused, naming the one that waits', async () => {
    const id = await withPolicy('queue_one');
    const first = await trigger(id);
    await begin(first.run_id);
    const second = await trigger(id);
    const refusal = await refusalOf(trigger(id));
    expect(refusal).toEqual(new RunActive(second.run_id, 'waiting'));
    expect((refusal as Error).message).toContain(`Run ${second.run_id} of this ingestion waits already`);
    expect(await placesOf(id)).toEqual([
      { id: first.run_id, status: 'running', place: 'next' },
      { id: second.run_id, status: 'queued', place: 'waiting' },
    ]);
  });

  it('waits under queue_one behind one that has only just been queued, in the order they came', async () => {
    const id = await withPolicy('queue_one');
    const [first, second] = [await trigger(id), await trigger(id)];
    expect(await turns.look(second.run_id)).toMatchObject({ place: 'waiting', ahead: first.run_id });
    expect(await turns.look(first.run_id)).toMatchObject({ place: 'next', ahead: null });
    expect(await turns.takeNext(second.run_id)).toBe(false);
  });

  it('may wait behind one that waited, once that one is alone', async () => {
    const id = await withPolicy('queue_one');
    const first = await trigger(id);
    const second = await trigger(id);
    await plane.runs.cancelRun(first.run_id);
    const third = await trigger(id);
    expect((await placesOf(id)).slice(1)).toEqual([
      { id: second.run_id, status: 'queued', place: 'next' },
      { id: third.run_id, status: 'queued', place: 'waiting' },
    ]);
  });

  it('cancels it first under replace, and counts it once', async () => {
    const id = await withPolicy('replace');
    const first = await trigger(id);
    await begin(first.run_id);
    const flowRun = flowRunOf(first.flow_run_id)!;
    Object.assign(flowRun, { state_type: 'RUNNING', state_name: 'Running' });
    flowRun.state.type = 'RUNNING';
    const second = await trigger(id);
    expect(flowRun.state_type).toBe('CANCELLING');
    expect(await turns.look(second.run_id)).toMatchObject({ place: 'waiting', ahead: null });
    const third = await trigger(id);
    expect(await countersOf(id)).toEqual({ missed: 0, superseded: 2, overlap_skipped: 0 });
    expect(await placesOf(id)).toEqual([
      { id: first.run_id, status: 'running', place: 'next' },
      { id: second.run_id, status: 'cancelled', place: 'waiting' },
      { id: third.run_id, status: 'queued', place: 'waiting' },
    ]);
  });

  it('that replaces runs tells a running one by its row, ends a queued one, and each end adds to the totals once', async () => {
    const id = await withPolicy('replace');
    const running = await tick(id);
    await begin(running.id);
    const [queued, older, latest] = [await tick(id), await tick(id), await tick(id)];
    await plane.sql('DELETE FROM sluice_control.run_total');
    for (const run of [running, queued, running, queued]) await turns.replaced(run.id);
    await turns.supersedeOlder(latest.id);
    expect(
      await plane.sql(
        `SELECT id, status, cancel_requested_at IS NOT NULL AS asked FROM sluice_control.run WHERE ingestion_id = $1 ORDER BY created_at, id`,
        [id],
      ),
    ).toEqual([
      { id: running.id, status: 'running', asked: true },
      { id: queued.id, status: 'cancelled', asked: false },
      { id: older.id, status: 'cancelled', asked: false },
      { id: latest.id, status: 'queued', asked: false },
    ]);
    expect(await countersOf(id)).toMatchObject({ superseded: 3 });
    expect(await plane.sql('SELECT trigger, status, runs FROM sluice_control.run_total')).toEqual([
      { trigger: 'scheduled', status: 'cancelled', runs: '2' },
    ]);
  });

  it('is refused when Prefect does not cancel the run under replace, and nothing has changed', async () => {
    const id = await withPolicy('replace');
    const first = await trigger(id);
    await begin(first.run_id);
    await plane.fake.misbehave('http_500', { route: /set_state/ });
    expect(await refusalOf(trigger(id))).toMatchObject({ code: 'ORCHESTRATION_UNAVAILABLE' });
    expect(await countersOf(id)).toMatchObject({ superseded: 0 });
    expect(await placesOf(id)).toEqual([{ id: first.run_id, status: 'running', place: 'next' }]);
  });
});

describe('of twenty at once', () => {
  it('one trigger at most waits', async () => {
    const id = await withPolicy('queue_one');
    await begin((await trigger(id)).run_id);
    const all = await Promise.allSettled(TWENTY.map(() => trigger(id)));
    const refusals = all.flatMap((it) => (it.status === 'rejected' ? [it.reason as Error] : []));
    expect(refusals).toHaveLength(19);
    for (const refusal of refusals) expect([RunActive, Conflict]).toContain(refusal.constructor);
    expect((await placesOf(id)).filter((it) => it['place'] === 'waiting')).toHaveLength(1);
  });

  it('one tick waits and one is next, whatever they are told', async () => {
    const id = await withPolicy('queue_one');
    const ticks = await Promise.all(TWENTY.map(() => tick(id)));
    const next = await Promise.all(ticks.map((it) => turns.takeNext(it.id)));
    expect(next.filter(Boolean)).toHaveLength(1);
    const others = ticks.filter((_, index) => !next[index]);
    expect((await Promise.all(others.map((it) => turns.takeWaiting(it.id)))).filter(Boolean)).toHaveLength(1);
  });

  it('one tick and one trigger: one of them is next, the other is refused or waits its turn', async () => {
    const id = await withPolicy('skip');
    const { id: tickRun } = await tick(id);
    const [taken, triggered] = await Promise.allSettled([turns.takeNext(tickRun), trigger(id)]);
    const next = (await placesOf(id)).filter((it) => it['place'] === 'next' && it['status'] === 'queued');
    expect(next).toHaveLength(1);
    if (triggered.status === 'rejected') expect(triggered.reason).toEqual(new RunActive(tickRun));
    else expect(taken).toEqual({ status: 'fulfilled', value: false });
  });

  it('one end of a tick is counted', async () => {
    const id = await withPolicy('skip');
    const { id: runId } = await tick(id);
    const left = await Promise.all(TWENTY.map(() => turns.leave(runId, 'cancelled', 'missed', 'missed')));
    expect(left.filter(Boolean)).toHaveLength(1);
    expect(await countersOf(id)).toEqual({ missed: 1, superseded: 0, overlap_skipped: 0 });
  });

  it('one flow run gets a tick that Prefect planned often', async () => {
    const id = await withPolicy('skip');
    const plannedAt = new Date('2026-03-01T06:00:00Z');
    const enter = () =>
      plane.recorder.enter({ ingestionId: id, flowRunId: randomUUID(), runId: null, scheduled: true, plannedAt });
    const entered = await Promise.all(TWENTY.map(enter));
    expect(entered.filter((it) => !it.taken)).toHaveLength(1);
    expect(new Set(entered.map((it) => it.id)).size).toBe(1);
  });
});
