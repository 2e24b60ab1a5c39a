import { randomUUID } from 'node:crypto';
import { contradictions } from '../history/checker';
import { playClients, type Played } from '../history/clients';
import type { Call, Event, Outcome, State } from '../history/model';
import { disagreements } from '../sagas/agreement';
import { startControlPlane, until, type ControlPlane } from '../support/control-plane';
import { enterState, newState } from '../support/fake-prefect';

const SEED = 5;
const SEEN = [
  ...['create 201', 'update 200', 'pause 200', 'resume 200', 'trigger 202', 'delete 204', 'get 200'],
  ...['update', 'pause', 'resume', 'trigger'].map((kind) => `${kind} CONFLICT`),
  ...['create NAME_TAKEN', 'trigger RUN_ACTIVE', 'update ORCHESTRATION_UNAVAILABLE'],
];
const LOAD = { seed: SEED, clients: 50, operations: 100, slots: 10 };

describe(`50 clients, 100 random calls each, on 10 ingestions, while Prefect misbehaves (seed ${SEED})`, () => {
  let plane: ControlPlane;
  let played: Played;
  const executed: string[] = [];

  beforeAll(async () => {
    plane = await startControlPlane();
    const stop = new AbortController();
    const worker = work(plane, executed, stop.signal);
    played = await playClients(plane, LOAD);
    stop.abort();
    await worker;
  }, 240_000);
  afterAll(() => plane.close());

  it('are answered only what they may be, and all kinds of calls are answered well and refused', () => {
    expect(played.strange).toEqual([]);
    const total = Object.values(played.counts).reduce((sum, count) => sum + count, 0);
    expect(total).toBe(LOAD.clients * LOAD.operations);
    process.stderr.write(`${JSON.stringify(played.counts)}\n`);
    expect(Object.keys(played.counts)).toEqual(expect.arrayContaining(SEEN));
  });

  it('have a history that one order explains', () => {
    expect(contradictions(played.history)).toEqual([]);
  });

  it('leave the ingestions whose creation was answered 201 and whose deletion was not, and no other', async () => {
    const done = (kind: Call['kind']) =>
      played.history.filter(({ call, outcome }) => call.kind === kind && ['shown', 'done'].includes(outcome.kind));
    const deleted = new Set(done('delete').map((it) => it.ingestion));
    const left = done('create').flatMap(({ ingestion }) => (deleted.has(ingestion) ? [] : [ingestion]));
    const rows = await plane.sql<{ id: string }>('SELECT id FROM sluice_control.ingestion ORDER BY id');
    expect(rows.map((it) => it.id)).toEqual(left.sort());
  });

  it('have no run executed that was not answered 202', () => {
    expect(executed.length).toBeGreaterThan(0);
    expect(executed.filter((id) => !played.runs.has(id))).toEqual([]);
    expect(new Set(executed).size).toBe(executed.length);
  });

  it('leave both databases in agreement', async () => {
    await plane.fake.behave();
    await until(() => plane.gateway.initialized);
    const { fake, sql } = plane;
    const pool = fake.workPools[0]?.name ?? '';
    const prefect = async <T>(path: string, body: unknown) => {
      const headers = { 'content-type': 'application/json' };
      const answer = await fetch(`${fake.apiUrl}${path}`, { method: 'POST', headers, body: JSON.stringify(body) });
      return (await answer.json()) as T;
    };
    const open = () => disagreements({ control: sql, prefect, pool });
    await until(async () => {
      await sql(`UPDATE sluice_control.tombstone SET next_attempt_at = now() - interval '1 s'`);
      await plane.reconciler.runOnce();
      return (await open()).length === 0;
    }, 20_000).catch(() => undefined);
    expect(await open()).toEqual([]);
  });
});

/** A worker of Prefect: takes what waits, as the flow-runner does, and ends it. */
async function work({ fake, recorder }: ControlPlane, executed: string[], stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    for (const run of fake.flowRuns.filter((it) => it.state_type === 'SCHEDULED' && !it.auto_scheduled)) {
      const entry = { ingestionId: String(run.parameters['ingestion_id']), flowRunId: run.id, scheduled: false };
      const executor = randomUUID();
      const entered = await recorder.enter({ ...entry, runId: String(run.parameters['run_id']) }).catch(() => null);
      const started = entered?.status === 'queued' && (await recorder.start(entered.id, executor));
      if (entered && started) {
        executed.push(entered.id);
        await recorder.end(entered.id, executor, { status: 'success', metrics: {} as never, errors: [] });
      }
      enterState(run, newState(started ? 'COMPLETED' : 'CANCELLED'));
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe('the checker of histories', () => {
  const ACTIVE: State = { status: 'active', hour: '06:00', rows: null };
  const PAUSED: State = { ...ACTIVE, status: 'paused' };
  const shown = (state: State): Outcome => ({ kind: 'shown', state });
  const event = (from: number, end: number, call: Call, outcome: Outcome): Event => ({
    ...{ client: 1, ingestion: 'a', call, outcome, from, until: end },
  });
  const created = event(0, 1, { kind: 'create', hour: '06:00' }, shown(ACTIVE));
  const pause = (from: number, end: number) => event(from, end, { kind: 'pause' }, shown(PAUSED));
  const get = (from: number, end: number, outcome: Outcome) => event(from, end, { kind: 'get' }, outcome);
  const gone = event(4, 5, { kind: 'delete' }, { kind: 'done' });

  it.each<[string, Event[]]>([
    ['what one client after the other was told', [created, pause(2, 3), get(3.5, 3.6, shown(PAUSED)), gone]],
    [
      'a reader who sees the change while it is under way, or not yet',
      [...[created, pause(2, 9), get(3, 4, shown(ACTIVE)), get(5, 6, shown(PAUSED))]],
    ],
    [
      'a refused change that nobody sees',
      [...[created, event(2, 3, { kind: 'pause' }, { kind: 'refused' }), get(4, 5, shown(ACTIVE))]],
    ],
    [
      'a deletion that wins over a change under way',
      [...[created, event(2, 9, { kind: 'pause' }, { kind: 'missing' }), gone, get(6, 7, { kind: 'missing' })]],
    ],
  ])('accepts %s', (_, history) => {
    expect(contradictions(history)).toEqual([]);
  });

  it.each<[string, Event[]]>([
    ['a change that was answered and is not seen afterwards', [created, pause(2, 3), get(4, 5, shown(ACTIVE))]],
    [
      'a change that is seen, and then not any more',
      [...[created, pause(2, 9), get(3, 4, shown(PAUSED)), get(5, 6, shown(ACTIVE))]],
    ],
    [
      'a refused change that is seen',
      [...[created, event(2, 3, { kind: 'pause' }, { kind: 'refused' }), get(4, 5, shown(PAUSED))]],
    ],
    ['what was deleted and comes back', [created, gone, get(6, 7, shown(ACTIVE))]],
    ['what is missing and was never deleted', [created, get(2, 3, { kind: 'missing' })]],
    [
      'two changes at once of which the answers know nothing of each other',
      [...[created, event(2, 9, { kind: 'update', rows: 7 }, shown({ ...ACTIVE, rows: 7 })), pause(3, 8)]],
    ],
    [
      'a trigger without a deployment, where there is one',
      [...[created, event(2, 3, { kind: 'trigger' }, { kind: 'no deployment' })]],
    ],
    ['a second deletion', [created, gone, { ...gone, from: 6, until: 7 }]],
  ])('refuses %s', (_, history) => {
    expect(contradictions(history)).toEqual([expect.stringMatching(/^ingestion a: no order explains client 1 /)]);
  });

  it('finds one wrong answer in the history of many clients', async () => {
    const plane = await startControlPlane();
    const { history } = await playClients(plane, { seed: 7, clients: 5, operations: 60, slots: 2 });
    await plane.close();
    expect(contradictions(history)).toEqual([]);
    const reads = history.flatMap(({ call, outcome }, index) =>
      call.kind === 'get' && outcome.kind === 'shown' ? [index] : [],
    );
    const middle = reads[Math.floor(reads.length / 2)] ?? -1;
    const wrong = history.map((it, index) =>
      index === middle ? { ...it, outcome: shown({ status: 'active', hour: '23:00', rows: 1 }) } : it,
    );
    expect(contradictions(wrong)).toHaveLength(1);
  }, 60_000);
});
