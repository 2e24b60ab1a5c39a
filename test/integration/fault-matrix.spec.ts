import { Logger } from '@nestjs/common';
import { Reconciler } from '@sluice/ingestion';
import { OrchestrationGateway } from '@sluice/orchestration-gateway';
import type { Response } from 'supertest';
import { startApi, type Api } from '../support/api';
import { until } from '../support/control-plane';
import { startFakePrefect } from '../support/fake-prefect';
import { FAULTS, HOST, Names, OPERATIONS, type Fault, type Network, type Operation } from '../support/fault-matrix';
import { Gate } from '../support/gate';

/** What is promised, 5 s and 2 s, and what a busy machine may add. */
const BUSY_MS = 500;
const ANSWER_MS = 5_000 + BUSY_MS;
const DELETE_MS = 2_000 + BUSY_MS;
const AGREEMENT_MS = 20_000;
const DAILY = { frequency: 'daily', time: '06:00' };
const LATER = { frequency: 'daily', time: '07:00' };

const SENTENCE: Record<Exclude<Operation, 'delete'>, string> = {
  create: 'Cannot create ingestion: Orchestration service unavailable',
  update: 'Cannot update schedule: Orchestration service unavailable',
  pause: 'Cannot pause ingestion: Orchestration service unavailable',
  resume: 'Cannot resume ingestion: Orchestration service unavailable',
  trigger: 'Orchestration service unavailable. Please try again later.',
};

interface Cell {
  response: Response;
  ms: number;
}
type Ids = Record<Exclude<Operation, 'create'>, string>;
type Rows = Awaited<ReturnType<typeof rowsOf>>;

let api: Api;
let network: Network;
let made = 0;
const matrix: { title: string; cells: Record<Operation, Cell> }[] = [];

beforeAll(async () => {
  const names = new Names();
  const fake = await startFakePrefect();
  const gate = await Gate.before(Number(new URL(fake.apiUrl).port));
  network = { fake, gate, names };
  const env = { PREFECT_API_URL: `http://${HOST}:${gate.port}/api`, SLUICE_RECONCILE_SECONDS: '0' };
  api = await startApi(env, { fake });
}, 30_000);

afterAll(async () => {
  await api.close();
  await network.gate.close();
  network.names.restore();
  printMatrix();
});

const name = () => `trips ${(made += 1)}`;
const create = (title: string) =>
  api.call('post', '/ingestions', {
    ...{ name: title, source: { type: 'file', path: '/data/in' }, destination: { table: 'trips' }, schedule: DAILY },
  });
const scheduled = async () => ((await create(name())).body as { id: string }).id;

/** Nothing but ours may change these. */
async function rowsOf(ids: readonly string[]) {
  return api.sql(
    `SELECT id, name, status, schedule ->> 'time' AS time, prefect_deployment_id, updated_at
     FROM sluice_control.ingestion WHERE id = ANY($1) ORDER BY id`,
    [ids],
  );
}

async function timed(call: Promise<Response>): Promise<Cell> {
  const started = performance.now();
  return { response: await call, ms: Math.round(performance.now() - started) };
}

/** One call of each kind, all at once, each on an ingestion of its own. */
async function callAll(ids: Ids, title: string): Promise<Record<Operation, Cell>> {
  const [created, update, pause, resume, trigger, removed] = await Promise.all([
    timed(create(title)),
    timed(api.call('put', `/ingestions/${ids.update}`, { schedule: LATER })),
    timed(api.call('post', `/ingestions/${ids.pause}/pause`)),
    timed(api.call('post', `/ingestions/${ids.resume}/resume`)),
    timed(api.call('post', `/ingestions/${ids.trigger}/run`)),
    timed(api.call('delete', `/ingestions/${ids.delete}`)),
  ]);
  return { create: created, update, pause, resume, trigger, delete: removed };
}

async function prepared(): Promise<Ids> {
  const [update, pause, resume, trigger, removed] = await Promise.all(Array.from({ length: 5 }, scheduled));
  if (!update || !pause || !resume || !trigger || !removed) throw new Error('The five ingestions were not made.');
  await api.call('post', `/ingestions/${resume}/pause`);
  return { update, pause, resume, trigger, delete: removed };
}

/** Where the two databases differ, or something is left to be done; empty: they agree. */
async function disagreements(): Promise<string[]> {
  const rows = await api.sql<{ id: string; status: string; prefect_deployment_id: string | null; cron: string }>(
    `SELECT id, status, prefect_deployment_id, split_part(schedule ->> 'time', ':', 1)::int || '' AS cron
     FROM sluice_control.ingestion`,
  );
  const inPrefect = new Map(network.fake.deployments.map((it) => [it.id, it]));
  const differing = rows.filter(({ id, status, prefect_deployment_id, cron }) => {
    const deployment = inPrefect.get(prefect_deployment_id ?? '');
    inPrefect.delete(prefect_deployment_id ?? '');
    const [schedule, ...others] = deployment?.schedules ?? [];
    const fits = schedule?.schedule.cron === `0 ${cron} * * *` && schedule.active && others.length === 0;
    return !fits || deployment?.name !== `ingestion-${id}` || deployment.paused !== (status === 'paused');
  });
  const [left] = await api.sql<{ left: number }>(
    `SELECT (SELECT count(*) FROM sluice_control.tombstone)
       + (SELECT count(*) FROM sluice_control.ingestion WHERE operation_id IS NOT NULL OR drift_suspected) AS left`,
  );
  return [
    ...differing.map(({ id }) => `ingestion ${id} is not as its deployment`),
    ...[...inPrefect.values()].map((it) => `deployment ${it.name} has no ingestion`),
    ...(Number(left?.left) === 0 ? [] : [`${left?.left} ingestions or tombstones are still to be looked after`]),
    ...(await runsThatCannotBe()),
  ];
}

/** A flow run that waits in Prefect for a run whose caller was told that it will not run must find it ended, or it would load. */
async function runsThatCannotBe(): Promise<string[]> {
  const runs = await api.sql<{ id: string; flow_run_id: string | null }>(
    `SELECT id, flow_run_id FROM sluice_control.run WHERE status IN ('queued', 'running')`,
  );
  const flowRuns = new Set(network.fake.flowRuns.map((it) => it.id));
  return runs.filter((it) => !flowRuns.has(it.flow_run_id ?? '')).map((it) => `run ${it.id} waits for nothing`);
}

/** What the reconciler does within its waiting times, at once. */
async function reconcile(): Promise<void> {
  await until(() => api.app.get(OrchestrationGateway).initialized, AGREEMENT_MS);
  await until(async () => {
    await api.sql(`UPDATE sluice_control.tombstone SET next_attempt_at = now() - interval '1 s'`);
    await api.sql(`UPDATE sluice_control.orphan SET first_seen_at = first_seen_at - interval '1 minute'`);
    await api.app.get(Reconciler).runOnce();
    return (await disagreements()).length === 0;
  }, AGREEMENT_MS).catch(() => undefined);
}

interface Outcome {
  cells: Record<Operation, Cell>;
  before: Rows;
  /** Before anything was repaired. */
  after: Rows;
  /** When all was repaired. */
  atLast: Rows;
  created: number;
  waitingRuns: number;
  logged: { err?: Error }[];
  left: string[];
}

/** The calls under the fault, and what became of both databases. */
async function outcomeOf(fault: Fault, ids: Ids): Promise<Outcome> {
  const all = Object.values(ids);
  const [before, title] = [await rowsOf(all), name()];
  const logged: { err?: Error }[] = [];
  const log = jest.spyOn(Logger.prototype, 'error').mockImplementation((entry) => void logged.push(entry as object));
  await fault.begin(network);
  if (fault.seenByProbe) await until(() => !api.app.get(OrchestrationGateway).initialized);
  const cells = await callAll(ids, title);
  log.mockRestore();
  const [after, found] = [await rowsOf(all), await api.call('get', `/ingestions?name=${encodeURIComponent(title)}`)];
  await fault.end(network);
  await reconcile();
  const waiting = await api.sql(
    `SELECT id FROM sluice_control.run WHERE ingestion_id = $1 AND status IN ('queued', 'running')`,
    [ids.trigger],
  );
  return {
    ...{ cells, before, after, logged, created: (found.body as { items: [] }).items.length },
    ...{ waitingRuns: waiting.length, left: await disagreements(), atLast: await rowsOf(all) },
  };
}

const WHEN_DONE = { update: { time: '07:00' }, pause: { status: 'paused' }, resume: { status: 'active' }, trigger: {} };
const CHANGES = ['update', 'pause', 'resume', 'trigger'] as const;

describe.each(FAULTS.map((fault) => [fault.title, fault] as const))('%s:', (_title, fault) => {
  let ids: Ids;
  let outcome: Outcome;
  const wanted = (operation: Operation) => (operation === 'delete' ? 204 : (fault.instead?.[operation] ?? 503));
  const rowOf = (rows: Rows, operation: keyof Ids) => rows.find((it) => it['id'] === ids[operation]);

  beforeAll(async () => {
    ids = await prepared();
    outcome = await outcomeOf(fault, ids);
    matrix.push({ title: fault.title, cells: outcome.cells });
  }, 60_000);

  it.each(OPERATIONS)('%s answers with its status and sentence, in time', (operation) => {
    const { response, ms } = outcome.cells[operation];
    expect({ status: response.status, body: response.body as unknown }).toMatchObject({ status: wanted(operation) });
    if (operation !== 'delete') expectSentence(response, operation, fault);
    expect(ms).toBeLessThan(operation === 'delete' ? DELETE_MS : ANSWER_MS);
  });

  it.each(CHANGES)('%s has done what it said, or nothing', (operation) => {
    const [before, after] = [rowOf(outcome.before, operation), rowOf(outcome.after, operation)];
    if (wanted(operation) < 300) expect(after).toMatchObject(WHEN_DONE[operation]);
    else expect(after).toEqual(before);
    expect(rowOf(outcome.atLast, operation)).toEqual(after);
  });

  it('an ingestion is there if its creation said so, the deleted one is not, and a run waits only if its trigger said so', () => {
    expect(outcome.created).toBe(wanted('create') === 201 ? 1 : 0);
    expect(rowOf(outcome.after, 'delete')).toBeUndefined();
    expect(outcome.waitingRuns).toBe(wanted('trigger') === 202 ? 1 : 0);
  });

  it('what was our mistake is in the log, and nothing else', () => {
    const mistakes = outcome.logged.map(({ err }) => err?.name);
    const expected = OPERATIONS.filter((operation) => wanted(operation) === 500);
    expect(mistakes).toEqual(expected.map(() => 'RefusedByPrefect'));
  });

  it('in the end both databases agree, and nothing is left to be done', () => {
    expect(outcome.left).toEqual([]);
  });
});

function expectSentence(
  { status, body, headers }: Response,
  operation: Exclude<Operation, 'delete'>,
  fault: Fault,
): void {
  if (status === 400)
    expect(body).toMatchObject({ code: 'VALUE_ERROR', detail: expect.stringMatching(/^Prefect refused the value: /) });
  if (status !== 503) return;
  expect(body).toMatchObject({ code: 'ORCHESTRATION_UNAVAILABLE', detail: SENTENCE[operation] });
  expect([fault.reason, 'not_initialized']).toContain((body as { reason: string }).reason);
  expect(headers['retry-after']).toMatch(fault.retryAfter ?? /^[1-9]\d*$/);
}

/** Status and milliseconds of each cell, and the worst of each column. */
function printMatrix(): void {
  const widths = [34, ...OPERATIONS.map(() => 11)];
  const line = (cells: readonly string[]) => cells.map((cell, index) => cell.padEnd(widths[index] ?? 0)).join('');
  const worst = OPERATIONS.map((it) => Math.max(...matrix.map(({ cells }) => cells[it].ms)));
  const lines = [
    line(['', ...OPERATIONS]),
    ...matrix.map(({ title, cells }) =>
      line([title, ...OPERATIONS.map((it) => `${cells[it].response.status} ${cells[it].ms}`)]),
    ),
    line([`worst of ${matrix.length * OPERATIONS.length} cells, ms`, ...worst.map(String)]),
  ];
  process.stderr.write(`\n${lines.join('\n')}\n`);
}
