import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import * as deployments from './deployments';
import { createFlowRun, filterFlowRuns, requireFlowRun } from './flow-runs';
import { Refusal, anyOf, matches, notFound, page, parse, type Reply } from './reply';
import { setState } from './set-state';
import type { FakeStore } from './state';

type Handler = (store: FakeStore, body: unknown, ...ids: string[]) => Reply;

const UUID = '([0-9a-f]{8}-[0-9a-f-]{27})';
const WORD = '([^/]+)';

const ROUTES: readonly (readonly [method: string, path: RegExp, handler: Handler])[] = [
  ['GET', at('/admin/version'), (store) => ok(store.version)],
  ['POST', at('/flows/'), (store, body) => upsertFlow(store, body)],
  ['GET', at(`/flows/name/${WORD}`), (store, _, name) => readFlow(store, name)],
  ['POST', at('/work_pools/'), (store, body) => createPool(store, body)],
  ['GET', at(`/work_pools/${WORD}`), (store, _, name) => ok(requirePool(store, name))],
  ['PATCH', at(`/work_pools/${WORD}`), (store, body, name) => patchPool(store, name, body)],
  ['DELETE', at(`/work_pools/${WORD}`), (store, _, name) => deletePool(store, name)],
  ['POST', at(`/work_pools/${WORD}/workers/filter`), (store, _, name) => workers(store, name)],
  ['POST', at('/deployments/'), (store, body) => deployments.createDeployment(store, body)],
  ['POST', at('/deployments/filter'), (store, body) => deployments.filterDeployments(store, body)],
  [
    'GET',
    at(`/deployments/name/${WORD}/${WORD}`),
    (store, _, flow = '', name = '') => deployments.readDeploymentByName(store, flow, name),
  ],
  ['GET', at(`/deployments/${UUID}`), (store, _, id = '') => deployments.readDeployment(store, id)],
  ['PATCH', at(`/deployments/${UUID}`), (store, body, id = '') => deployments.patchDeployment(store, id, body)],
  ['DELETE', at(`/deployments/${UUID}`), (store, _, id = '') => deployments.deleteDeployment(store, id)],
  [
    'DELETE',
    at(`/deployments/${UUID}/schedules/${UUID}`),
    (store, _, id = '', schedule = '') => deployments.deleteSchedule(store, id, schedule),
  ],
  [
    'POST',
    at(`/deployments/${UUID}/pause_deployment`),
    (store, _, id = '') => deployments.pauseDeployment(store, id, true),
  ],
  [
    'POST',
    at(`/deployments/${UUID}/resume_deployment`),
    (store, _, id = '') => deployments.pauseDeployment(store, id, false),
  ],
  ['POST', at(`/deployments/${UUID}/create_flow_run`), (store, body, id = '') => createFlowRun(store, id, body)],
  ['POST', at('/flow_runs/filter'), (store, body) => filterFlowRuns(store, body)],
  ['GET', at(`/flow_runs/${UUID}`), (store, _, id = '') => ok(requireFlowRun(store, id))],
  ['PATCH', at(`/flow_runs/${UUID}`), (store, _, id = '') => patchFlowRun(store, id)],
  ['POST', at(`/flow_runs/${UUID}/set_state`), (store, body, id = '') => setState(requireFlowRun(store, id), body)],
  ['POST', at('/logs/'), (store, body) => createLogs(store, body)],
  ['POST', at('/logs/filter'), (store, body) => filterLogs(store, body)],
  ['POST', at('/artifacts/'), (store, body) => createArtifact(store, body)],
  ['POST', at('/artifacts/filter'), (store, body) => filterArtifacts(store, body)],
  ['PATCH', at(`/artifacts/${UUID}`), (store, body, id) => patchArtifact(store, id, body)],
  ['POST', at('/events'), (store, body) => createEvents(store, body)],
];

function at(path: string): RegExp {
  return new RegExp(`^/api${path}$`);
}

/** Prefect's answer to a request, from `store`. */
export function answer(store: FakeStore, method: string, path: string, body: unknown): Reply {
  for (const [verb, pattern, handler] of ROUTES) {
    const match = verb === method ? pattern.exec(path) : null;
    if (match) return handled(() => handler(store, body, ...match.slice(1).map(decodeURIComponent)));
  }
  return { status: 404, body: { detail: 'Not Found' } };
}

function handled(handle: () => Reply): Reply {
  try {
    return handle();
  } catch (error) {
    if (error instanceof Refusal) return { status: error.status, body: error.body };
    throw error;
  }
}

const ok = (body: unknown): Reply => ({ status: 200, body });

function upsertFlow(store: FakeStore, body: unknown): Reply {
  const { name } = parse(z.object({ name: z.string() }), body);
  const known = store.flows.find((flow) => flow.name === name);
  if (known) return ok(known);
  const flow = { id: randomUUID(), name };
  store.flows.push(flow);
  return { status: 201, body: flow };
}

function readFlow(store: FakeStore, name: string | undefined): Reply {
  const flow = store.flows.find((item) => item.name === name);
  if (!flow) throw notFound('Flow');
  return ok(flow);
}

const template = z.record(z.string(), z.unknown());

function createPool(store: FakeStore, body: unknown): Reply {
  const schema = z.object({ name: z.string(), type: z.string(), base_job_template: template.default({}) });
  const wanted = parse(schema, body);
  if (store.workPools.some((pool) => pool.name === wanted.name))
    throw new Refusal(409, { detail: 'A work pool with this name already exists.' });
  const pool = { id: randomUUID(), is_paused: false, ...wanted };
  store.workPools.push(pool);
  return { status: 201, body: pool };
}

function requirePool(store: FakeStore, name: string | undefined) {
  const pool = store.workPools.find((item) => item.name === name);
  if (!pool) throw notFound('Work pool');
  return pool;
}

function patchPool(store: FakeStore, name: string | undefined, body: unknown): Reply {
  const pool = requirePool(store, name);
  Object.assign(pool, parse(z.strictObject({ base_job_template: template }), body));
  return { status: 204 };
}

function deletePool(store: FakeStore, name: string | undefined): Reply {
  store.workPools.splice(store.workPools.indexOf(requirePool(store, name)), 1);
  return { status: 204 };
}

/** Which process runs it is nothing the fake knows. */
function patchFlowRun(store: FakeStore, id: string): Reply {
  requireFlowRun(store, id);
  return { status: 204 };
}

function workers(store: FakeStore, name: string | undefined): Reply {
  requirePool(store, name);
  return ok(store.workers);
}

const logLines = z.array(
  z.object({
    flow_run_id: z.uuid().nullable(),
    level: z.number().int(),
    message: z.string(),
    timestamp: z.string(),
    name: z.string(),
  }),
);

function createLogs(store: FakeStore, body: unknown): Reply {
  store.logs.push(...parse(logLines, body).map((line) => ({ id: randomUUID(), ...line })));
  return { status: 201, body: null };
}

function filterLogs(store: FakeStore, body: unknown): Reply {
  const schema = z.object({ logs: z.object({ flow_run_id: anyOf }).default({}), ...page });
  const { logs, offset, limit } = parse(schema, body);
  const found = store.logs.filter((line) => matches(logs.flow_run_id, line.flow_run_id));
  found.sort((a, b) => a.timestamp.localeCompare(b.timestamp));
  return ok(found.slice(offset, offset + limit));
}

function createArtifact(store: FakeStore, body: unknown): Reply {
  const key = z
    .string()
    .regex(/^[a-z0-9-]+$/)
    .nullable()
    .default(null);
  const text = z.string().nullable().default(null);
  const schema = z.object({ key, type: text, flow_run_id: text, data: z.unknown() });
  const artifact = { id: randomUUID(), ...parse(schema, body) };
  store.artifacts.push(artifact);
  return { status: 201, body: artifact };
}

function filterArtifacts(store: FakeStore, body: unknown): Reply {
  const { artifacts } = parse(z.object({ artifacts: z.object({ flow_run_id: anyOf }).default({}) }), body);
  const found = store.artifacts.filter((item) => matches(artifacts.flow_run_id, item.flow_run_id));
  return ok(found.sort((a, b) => (b.key ?? '').localeCompare(a.key ?? '')));
}

function patchArtifact(store: FakeStore, id: string | undefined, body: unknown): Reply {
  const artifact = store.artifacts.find((item) => item.id === id);
  if (!artifact) throw notFound('Artifact');
  Object.assign(artifact, parse(z.object({ data: z.unknown() }), body));
  return { status: 204 };
}

function createEvents(store: FakeStore, body: unknown): Reply {
  const schema = z.array(z.object({ event: z.string(), resource: z.record(z.string(), z.string()) }));
  store.events.push(...parse(schema, body));
  return { status: 204 };
}
