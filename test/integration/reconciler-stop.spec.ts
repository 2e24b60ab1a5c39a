import { ReconcilerTimer } from '@sluice/ingestion';
import { SystemClock } from '@sluice/kernel';
import { Installation } from '../../libs/ingestion/src/installation';
import { anIngestion, DAILY, startControlPlane, until, type ControlPlane } from '../support/control-plane';

const MANY = 60;
/** Of each answer, ms: what is under way when the stop comes ends before the next could begin. */
const SLOW = 150;

let plane: ControlPlane;
let ids: string[];
beforeAll(async () => {
  plane = await startControlPlane();
  const made = Array.from({ length: MANY }, () => plane.ingestions.createIngestion(anIngestion({ schedule: DAILY })));
  ids = (await Promise.all(made)).map(({ id }) => id);
}, 60_000);
afterEach(() => plane.fake.behave());
afterAll(() => plane.close());

type Call = ControlPlane['fake']['requests'][number];
const said = (call: Call) => JSON.stringify(call.body ?? null);
const isPage = (call: Call) => call.path === '/deployments/filter';
const isOfOne = (call: Call) => isPage(call) && said(call).split('ingestion-').length === 2;
const isChange = (call: Call) => /^\/deployments\/(?!filter|name)/.test(call.path);
const isTicks = (call: Call) => call.path === '/flow_runs/filter' && said(call).includes('"deployment_id":{"any_":["');

interface Case {
  step: string;
  /** Makes it long. */
  begin: () => Promise<unknown>;
  /** The call that is under way when the process is told to stop. */
  at: (call: Call) => boolean;
  /** Those that would follow. */
  next: (call: Call) => boolean;
}

const CASES: Case[] = [
  { step: 'between two pages of the comparison', begin: () => Promise.resolve(), at: isPage, next: isPage },
  {
    step: 'in the middle of one deployment of many that are mended',
    begin: () => plane.sql('UPDATE sluice_control.ingestion SET drift_suspected = true'),
    at: isOfOne,
    next: (call) => isOfOne(call) || isChange(call),
  },
  {
    step: 'between two ingestions whose ticks are looked for',
    begin: () => plane.sql(`UPDATE sluice_control.ingestion SET ticks_seen_until = now() - interval '3 days'`),
    at: isTicks,
    next: isTicks,
  },
];

describe('a process that is told to stop while Prefect is slow', () => {
  it.each(CASES)('waits for one call only: $step', async ({ begin, at, next }) => {
    await plane.sql('UPDATE sluice_control.ingestion SET drift_suspected = false, ticks_seen_until = now()');
    await begin();
    plane.fake.requests.length = 0;
    await plane.fake.misbehave('slow', { ms: SLOW, route: /^(POST|GET) \/(deployments|flow_runs)/ });
    const timer = new ReconcilerTimer(plane.config, new SystemClock(), plane.reconciler, plane.get(Installation));
    timer.onApplicationBootstrap();
    await until(() => plane.fake.requests.some(at), 20_000);

    const before = plane.fake.requests.length;
    await timer.onModuleDestroy();
    expect(plane.fake.requests.slice(before).filter(next)).toEqual([]);
    expect(await plane.sql('SELECT id FROM sluice_control.ingestion WHERE operation_id IS NOT NULL')).toEqual([]);
  });

  it('leaves for the next leader what it did not mend', async () => {
    const marked = async () =>
      (await plane.sql('SELECT id FROM sluice_control.ingestion WHERE drift_suspected')).length;
    await plane.sql('UPDATE sluice_control.ingestion SET drift_suspected = true');
    plane.fake.requests.length = 0;
    await plane.fake.misbehave('slow', { ms: SLOW, route: /^POST \/deployments/ });
    const stop = new AbortController();
    const pass = plane.reconciler.runOnce(stop.signal);
    await until(() => plane.fake.requests.some(isOfOne), 20_000);
    stop.abort();
    await pass;
    expect(await marked()).toBe(ids.length);
  });
});
