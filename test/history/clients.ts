import {
  Conflict,
  DomainError,
  IngestionNotFound,
  NameTaken,
  OrchestrationUnavailable,
  ValueError,
} from '@sluice/kernel';
import type { IngestionView } from '@sluice/ingestion';
import { Random } from '../chaos/random';
import type { ControlPlane } from '../support/control-plane';
import type { Call, Event, Outcome, State } from './model';

const WEIGHTS = { create: 4, update: 24, pause: 12, resume: 12, trigger: 14, delete: 2, get: 32 } as const;
const HOURS = ['06:00', '07:00', '08:00', null] as const;
const MISBEHAVIOURS = ['http_500', 'lost_answer', 'slow', 'cut_json'] as const;
const ROUTES = [/deployments/, /create_flow_run/, /pause_deployment/, /^PATCH/, /^GET/];

export interface Load {
  seed: number;
  clients: number;
  operations: number;
  slots: number;
}

export interface Played {
  history: Event[];
  /** Answers by what was asked. */
  counts: Record<string, number>;
  /** Of triggers that were answered 202. */
  runs: Set<string>;
  /** Nobody may ever be told such. */
  strange: unknown[];
}

/** What the clients know of each name: the id of its ingestion, which may be gone. */
type Slots = (string | null)[];

/** Clients that call at random, all at once, while Prefect now and then misbehaves. */
export async function playClients(plane: ControlPlane, load: Load): Promise<Played> {
  const played: Played = { history: [], counts: {}, runs: new Set(), strange: [] };
  const slots: Slots = Array<null>(load.slots).fill(null);
  const stop = new AbortController();
  const trouble = troubles(plane, Random.of(load.seed, -1), stop.signal);
  const clients = Array.from({ length: load.clients }, async (_, client) => {
    const random = Random.of(load.seed, client);
    for (let left = load.operations; left > 0; left -= 1) await one(plane, { client, random, slots, played });
  });
  await Promise.all(clients);
  stop.abort();
  await trouble;
  return played;
}

async function troubles(plane: ControlPlane, random: Random, stop: AbortSignal): Promise<void> {
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  while (!stop.aborted) {
    await pause(random.between(300, 900));
    await plane.fake.misbehave(random.pick(MISBEHAVIOURS), {
      ...{ route: random.pick(ROUTES), ms: 150 },
    });
    await pause(random.between(200, 600));
    await plane.fake.behave();
  }
}

interface Turn {
  client: number;
  random: Random;
  slots: Slots;
  played: Played;
}

async function one(plane: ControlPlane, { client, random, slots, played }: Turn): Promise<void> {
  const slot = random.between(0, slots.length - 1);
  const known = slots[slot] ?? null;
  const call = callOf(random, known);
  const from = performance.now();
  const answer = await asked(plane, { call, id: known ?? '', name: `slot ${slot}` });
  const until = performance.now();
  count(played, call, answer);
  if (answer.made !== undefined) slots[slot] = answer.made;
  // Some go on with what is gone.
  else if (answer.outcome?.kind === 'missing' && slots[slot] === known && random.chance(0.5)) slots[slot] = null;
  if (answer.run !== undefined) played.runs.add(answer.run);
  if (answer.strange !== undefined) played.strange.push(answer.strange);
  const ingestion = answer.made ?? known;
  if (ingestion !== null && answer.outcome !== undefined)
    played.history.push({ client, ingestion, call, outcome: answer.outcome, from, until });
}

function callOf(random: Random, known: string | null): Call {
  const kind = known === null ? 'create' : random.weighted(WEIGHTS);
  if (kind === 'create') return { kind, hour: random.pick(HOURS) };
  if (kind !== 'update') return { kind };
  const rows = random.chance(0.5) ? { rows: random.between(1, 1_000_000) } : {};
  return { kind, ...rows, ...((random.chance(0.7) || !('rows' in rows)) && { hour: random.pick(HOURS) }) };
}

function count({ counts }: Played, call: Call, answer: Answer): void {
  const word = `${call.kind} ${answer.word}`;
  counts[word] = (counts[word] ?? 0) + 1;
}

interface Answer {
  word: string;
  outcome?: Outcome;
  made?: string;
  run?: string;
  strange?: unknown;
}
interface Asked {
  call: Call;
  id: string;
  name: string;
}

async function asked(plane: ControlPlane, { call, id, name }: Asked): Promise<Answer> {
  try {
    return await answered(plane, { call, id, name });
  } catch (error) {
    return refusal(call, error);
  }
}

async function answered({ ingestions }: ControlPlane, { call, id, name }: Asked): Promise<Answer> {
  switch (call.kind) {
    case 'create': {
      const body = { name, source: { type: 'file', path: '/data/in' }, destination: { table: 'trips' } };
      const made = await ingestions.createIngestion({ ...body, schedule: scheduleOf(call.hour) });
      return { word: '201', outcome: shown(made), made: made.id };
    }
    case 'update': {
      const rows = call.rows === undefined ? {} : { quality: { min_rows: call.rows } };
      const schedule = call.hour === undefined ? {} : { schedule: scheduleOf(call.hour) };
      return { word: '200', outcome: shown(await ingestions.updateIngestion(id, { ...rows, ...schedule })) };
    }
    case 'pause':
      return { word: '200', outcome: shown(await ingestions.pauseIngestion(id)) };
    case 'resume':
      return { word: '200', outcome: shown(await ingestions.resumeIngestion(id)) };
    case 'trigger':
      return { word: '202', outcome: { kind: 'done' }, run: (await ingestions.triggerManualRun(id)).run_id };
    case 'delete':
      await ingestions.deleteIngestion(id);
      return { word: '204', outcome: { kind: 'done' } };
    case 'get':
      return { word: '200', outcome: shown(await ingestions.getIngestion(id)) };
  }
}

function scheduleOf(hour: string | null) {
  return hour === null ? null : ({ frequency: 'daily', time: hour } as const);
}

function shown({ status, schedule, quality }: IngestionView): Outcome {
  const state = { status, hour: schedule?.time ?? null, rows: quality.min_rows };
  return { kind: 'shown', state: state as State };
}

/** The refusals each call may be given; any other is strange. */
function refusal(call: Call, error: unknown): Answer {
  const word = error instanceof DomainError ? error.code : String(error);
  if (call.kind === 'create')
    return error instanceof NameTaken || error instanceof OrchestrationUnavailable
      ? { word }
      : { word, strange: error };
  if (error instanceof IngestionNotFound) return { word, outcome: { kind: 'missing' } };
  if (call.kind === 'trigger' && error instanceof ValueError) return { word, outcome: { kind: 'no deployment' } };
  const may = call.kind !== 'get' && call.kind !== 'delete' && isPassing(error);
  return may ? { word, outcome: { kind: 'refused' } } : { word, strange: error };
}

function isPassing(error: unknown): boolean {
  if (error instanceof Conflict || error instanceof OrchestrationUnavailable) return true;
  return error instanceof DomainError && error.code === 'RUN_ACTIVE';
}
