import { randomUUID } from 'node:crypto';
import { RunRecorder } from '@sluice/ingestion';
import { SystemClock } from '@sluice/kernel';
import { differences, disagreements, waitingFlowRuns } from './agreement';
import type { Answer, FaultPoint } from './api-process';
import { type Operation, perform, type Scene } from './operations';
import type { Stage } from './stage';

export interface Point extends FaultPoint {
  operation: Operation;
  name: string;
}

export interface Verdict {
  point: Point;
  /** What the process left: where database and Prefect differed when it had died. */
  found: string;
  /** From the new start of the API to agreement. */
  ms: number;
  /** Empty: right. */
  wrong: string[];
}

/** The design's promise. */
export const AGREEMENT_MS = 60_000;
/** Of claims and of runs that were never sent; of keys; and of what was answered and may still arrive in Prefect. */
const [CLAIM, KEY, LATE] = ['30 s', '60 s', '10 s'];

/**
 * All points of an operation: before its first call, and after each. Between two calls there is one point only, since for everybody outside it is the
 * same moment whether the process dies while it waits for an answer that is ready, or before it has sent what comes next. The operation is
 * carried out once, to see its calls.
 */
export async function pointsOf(stage: Stage, operation: Operation): Promise<Point[]> {
  const scene = await operation.prepare(stage);
  const { trouble } = operation;
  const answer = await perform(stage, { call: scene.call, trouble }, { when: 'after', call: 0 });
  if (answer === null || answer.status >= (trouble ? 504 : 300))
    throw new Error(`${operation.title} answered ${JSON.stringify(answer)}`);
  const [first = ''] = stage.api.calls;
  const after = stage.api.calls.map((name, index) => ({ operation, when: 'after' as const, call: index + 1, name }));
  return [{ operation, when: 'before', call: 1, name: first }, ...after];
}

/** `clock`: `moved`: the time that claims and keys of a dead process still hold is taken off at once; `real`: it is waited for. */
export async function play(stage: Stage, point: Point, clock: 'moved' | 'real'): Promise<Verdict> {
  const scene = await point.operation.prepare(stage);
  const before = await stateOf(stage, scene);
  const answer = await perform(stage, { call: scene.call, trouble: point.operation.trouble }, point);
  // A point behind the last call of this time: it made fewer.
  if (answer !== null) return { point, found: `answered ${answer.status}`, ms: 0, wrong: ['it did not die'] };
  const found = await differences(stage);
  const left = await stateOf(stage, scene);
  // A half created ingestion must not be seen even then.
  const half = scene.id === null ? found.filter((what) => what.startsWith('ingestion')) : [];
  const wrong = half.map((what) => `visible: ${what}`);
  const begun = performance.now();
  await stage.api.start();
  if (clock === 'moved') await moveClocks(stage);
  const open = await agreed(stage, begun);
  const ms = Math.round(performance.now() - begun);
  wrong.push(...open, ...(await oddities(stage, point, scene, before)), ...(await loadsLater(stage)));
  if (open.length === 0 && scene.call.key !== undefined) wrong.push(...(await repeated(stage, scene)));
  return { point, found: `${left}${found.length > 0 ? ' *' : ''}`, ms, wrong };
}

/** What is still not as it should be when the time is over. */
async function agreed(stage: Stage, begun: number): Promise<string[]> {
  for (;;) {
    const open = await disagreements(stage);
    if (open.length === 0 || performance.now() - begun > AGREEMENT_MS) return open;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

async function moveClocks(stage: Stage): Promise<void> {
  for (const sql of [
    `UPDATE sluice_control.ingestion SET operation_expires_at = operation_expires_at - interval '${CLAIM}' WHERE operation_id IS NOT NULL`,
    `UPDATE sluice_control.ingestion SET late_calls_until = late_calls_until - interval '${CLAIM}'`,
    `UPDATE sluice_control.tombstone SET next_attempt_at = next_attempt_at - interval '${CLAIM}'`,
    `UPDATE sluice_control.table_drop SET next_attempt_at = next_attempt_at - interval '${CLAIM}'`,
    `UPDATE sluice_control.run SET created_at = created_at - interval '${CLAIM}' WHERE status = 'queued' AND flow_run_id IS NULL`,
    `UPDATE sluice_control.run SET ended_at = ended_at - interval '${LATE}' WHERE started_at IS NULL AND ended_at IS NOT NULL`,
  ])
    await stage.control(sql);
}

interface State {
  status: string | null;
  schedule: string | null;
  runs: string[] | null;
}

const STATE = `
SELECT i.status, i.schedule->>'time' AS schedule,
  (SELECT array_agg(r.status || CASE WHEN r.flow_run_id IS NULL THEN ', unsent' ELSE '' END ORDER BY r.created_at)
   FROM sluice_control.run r WHERE r.ingestion_id = i.id) AS runs
FROM sluice_control.ingestion i WHERE i.name = $1`;

async function stateOf(stage: Stage, scene: Scene): Promise<string> {
  const [row] = await stage.control<State>(STATE, [scene.name]);
  if (!row) return 'no row';
  const runs = row.runs === null ? '' : `, run ${row.runs.join(' and ')}`;
  return `${row.status} ${row.schedule ?? 'unscheduled'}${runs}`;
}

/** Neither the state before nor the one after; and a table or history without its ingestion, or the other way round. */
async function oddities(stage: Stage, { operation }: Point, scene: Scene, before: string): Promise<string[]> {
  const after = await stateOf(stage, scene);
  const odd = [before, ...operation.becomes].includes(after) ? [] : [`it was ${before} and ended as ${after}`];
  if (!scene.call.path.includes('drop_table')) return odd;
  const [data] = await stage.destination<{ table: boolean; history: boolean }>(
    `SELECT to_regclass('public.${scene.table}') IS NOT NULL AS table,
       EXISTS (SELECT FROM sluice.ledger WHERE ingestion = '${scene.id}') AS history`,
  );
  const stands = after !== 'no row';
  const fits = data?.table === stands && data.history === stands;
  return fits ? odd : [...odd, `its table and history: ${JSON.stringify(data)}`];
}

interface Entering {
  id: string;
  status: string;
}

/** A worker takes all that waits: what had ended before must not begin. */
async function loadsLater(stage: Stage): Promise<string[]> {
  const wrong: string[] = [];
  for (const { id, parameters } of await waitingFlowRuns(stage)) {
    const runId = parameters.run_id ?? '';
    const ended = `SELECT id, status FROM sluice_control.run WHERE id = $1 AND status <> 'queued'`;
    const [run] = await stage.control<Entering>(ended, [runId]);
    if (!run) continue;
    const recorder = new RunRecorder({ query: stage.control } as never, new SystemClock());
    const entry = { ingestionId: parameters.ingestion_id, flowRunId: id, runId, scheduled: false };
    const entered = await recorder.enter(entry);
    if (entered.id !== run.id || entered.status !== run.status || (await recorder.start(run.id, randomUUID())))
      wrong.push(`run ${run.id} was ${run.status}, and would have loaded`);
  }
  return wrong;
}

/** The client asks again with its key, until it is answered: there is one thing then, and only one. */
async function repeated(stage: Stage, scene: Scene): Promise<string[]> {
  const { method, path, body, key } = scene.call;
  await stage.control(
    `UPDATE sluice_control.idempotency_key SET held_until = held_until - interval '${KEY}' WHERE key = $1`,
    [key],
  );
  const answers: (Answer | null)[] = [];
  for (let time = 0; time < 2; time += 1) answers.push(await stage.api.call(method, path, { body, key }));
  const [first, second] = answers.map((it) => JSON.stringify([it?.status, it?.body['run_id'] ?? it?.body['id']]));
  const good = (answers[0]?.status ?? 500) < 300 && first === second;
  return [...(good ? [] : [`repeated: ${first}, then ${second}`]), ...(await doubles(stage, scene))];
}

async function doubles(stage: Stage, scene: Scene): Promise<string[]> {
  const open = await disagreements(stage);
  const runs = await stage.control(
    `SELECT 1 FROM sluice_control.run r JOIN sluice_control.ingestion i ON i.id = r.ingestion_id
     WHERE i.name = $1 AND r.flow_run_id IS NOT NULL AND r.status <> 'failed'`,
    [scene.name],
  );
  return [...open, ...(runs.length > 1 ? [`repeated: ${runs.length} runs`] : [])];
}
