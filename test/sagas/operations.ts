import { randomUUID } from 'node:crypto';
import type { Answer, FaultPoint } from './api-process';
import type { Stage } from './stage';

const AT_SIX = { frequency: 'daily', time: '06:00' };
const AT_SEVEN = { frequency: 'daily', time: '07:00' };

/** One call that is killed in the middle, on an ingestion of its own. */
export interface Scene {
  call: { method: string; path: string; body?: unknown; key?: string };
  /** Of the ingestion; `null`: the call is to make it. */
  id: string | null;
  name: string;
  table: string;
}

export interface Operation {
  title: string;
  prepare(stage: Stage): Promise<Scene>;
  /** What it may have become when it was killed, if not what it was. */
  becomes: readonly string[];
  /** How Prefect misbehaves meanwhile; only where it is a fake. */
  trouble?: { kind: 'http_500' | 'lost_answer'; route: RegExp };
}

const ingestion = (schedule: object | null) => ({
  name: `saga ${randomUUID()}`,
  source: { type: 'file', path: '/data/in' },
  destination: { table: `t_${randomUUID().replaceAll('-', '')}` },
  schedule,
});

async function made(stage: Stage, schedule: object | null): Promise<Made> {
  const answer = await stage.api.call('POST', '/ingestions', { body: ingestion(schedule) });
  if (answer?.status !== 201) throw new Error(`create answered ${JSON.stringify(answer)}`);
  return answer.body as unknown as Made;
}

interface Made {
  id: string;
  name: string;
  destination: { table: string };
}

const creation = (schedule: object | null) => (): Promise<Scene> => {
  const body = ingestion(schedule);
  const call = { method: 'POST', path: '/ingestions', body, key: randomUUID() };
  return Promise.resolve({ call, id: null, name: body.name, table: body.destination.table });
};

const on =
  (schedule: object | null, method: string, tail: string, body?: unknown) =>
  async (stage: Stage): Promise<Scene> => {
    const { id, name, destination } = await made(stage, schedule);
    const call = { method, path: `/ingestions/${id}${tail}`, ...(body !== undefined && { body }) };
    return { call, id, name, table: destination.table };
  };

const trigger = async (stage: Stage): Promise<Scene> => {
  const { call, ...scene } = await on(AT_SIX, 'POST', '/run', {})(stage);
  return { ...scene, call: { ...call, key: randomUUID() } };
};

const resume = async (stage: Stage): Promise<Scene> => {
  const scene = await on(AT_SIX, 'POST', '/resume')(stage);
  await stage.api.call('POST', `/ingestions/${scene.id}/pause`);
  return scene;
};

const dropTable = async (stage: Stage): Promise<Scene> => {
  const scene = await on(AT_SIX, 'DELETE', '?drop_table=true')(stage);
  await stage.load(scene.id ?? '', scene.table);
  return scene;
};

/** A run waits in Prefect. */
const withRun = async (stage: Stage): Promise<Scene> => {
  const scene = await on(AT_SIX, 'DELETE', '')(stage);
  await stage.api.call('POST', `/ingestions/${scene.id}/run`);
  return scene;
};

const DEPLOYMENTS = /^POST \/deployments\/$/;
const FLOW_RUNS = /create_flow_run/;

const UNSENT = 'active 06:00, run failed, unsent';
const SENT = 'active 06:00, run queued';

export const OPERATIONS: readonly Operation[] = [
  { title: 'create', prepare: creation(AT_SIX), becomes: ['active 06:00'] },
  { title: 'create a draft', prepare: creation(null), becomes: ['draft unscheduled'] },
  {
    ...{ title: 'create, refused', prepare: creation(AT_SIX), becomes: [] },
    trouble: { kind: 'http_500', route: DEPLOYMENTS },
  },
  {
    ...{ title: 'create, unanswered', prepare: creation(AT_SIX), becomes: ['active 06:00'] },
    trouble: { kind: 'lost_answer', route: DEPLOYMENTS },
  },
  { title: 'update the schedule', prepare: on(AT_SIX, 'PUT', '', { schedule: AT_SEVEN }), becomes: ['active 07:00'] },
  { title: 'update: first schedule', prepare: on(null, 'PUT', '', { schedule: AT_SEVEN }), becomes: ['active 07:00'] },
  {
    ...{ title: 'update: schedule null', prepare: on(AT_SIX, 'PUT', '', { schedule: null }) },
    becomes: ['draft unscheduled'],
  },
  { title: 'pause', prepare: on(AT_SIX, 'POST', '/pause'), becomes: ['paused 06:00'] },
  { title: 'resume', prepare: resume, becomes: ['active 06:00'] },
  { title: 'trigger', prepare: trigger, becomes: [SENT, UNSENT] },
  {
    ...{ title: 'trigger, refused', prepare: trigger, becomes: [UNSENT] },
    trouble: { kind: 'http_500', route: FLOW_RUNS },
  },
  {
    ...{ title: 'trigger, unanswered', prepare: trigger, becomes: [SENT, UNSENT] },
    trouble: { kind: 'lost_answer', route: FLOW_RUNS },
  },
  { title: 'delete', prepare: withRun, becomes: ['no row'] },
  { title: 'delete with its table', prepare: dropTable, becomes: ['no row'] },
];

/** The answer, or `null` when the API died. Prefect behaves again afterwards. */
export async function perform(
  stage: Stage,
  { call, trouble }: { call: Scene['call']; trouble: Operation['trouble'] },
  fault?: FaultPoint,
): Promise<Answer | null> {
  const { method, path, body, key } = call;
  if (trouble) await stage.fake?.misbehave(trouble.kind, { route: trouble.route });
  const answer = await stage.api.call(method, path, { body, key, ...(fault && { fault }) });
  if (trouble) await stage.fake?.behave();
  return answer;
}
