import { z } from 'zod';
import { FLOW_NAME } from '../names';
import type { PrefectRequest } from './client';
import * as wire from './wire';

/** The routes we use, each with the shape of its answer. Everything that goes into a path is encoded here. */
const path = (strings: TemplateStringsArray, ...values: string[]): string =>
  String.raw({ raw: strings }, ...values.map(encodeURIComponent));

function get<T>(at: string, answer: z.ZodType<T>): PrefectRequest<T> {
  return { method: 'GET', path: at, answer };
}
function post<T>(at: string, body: unknown, answer: z.ZodType<T>): PrefectRequest<T> {
  return { method: 'POST', path: at, body, answer };
}
const patch = (at: string, body: unknown) => ({ method: 'PATCH', path: at, body, answer: wire.done }) as const;
const remove = (at: string) => ({ method: 'DELETE', path: at, answer: wire.done }) as const;

export const readVersion = () => get('/admin/version', wire.version);

export const readFlow = () => get(path`/flows/name/${FLOW_NAME}`, wire.withId);
/** An upsert by name. */
export const ensureFlow = (name = FLOW_NAME) => post('/flows/', { name }, wire.withId);

export const readPool = (name: string) => get(path`/work_pools/${name}`, wire.workPool);
export const createPool = (pool: { name: string; type: string; base_job_template: object }) =>
  post('/work_pools/', pool, wire.workPool);
export const patchPool = (name: string, base_job_template: object) =>
  patch(path`/work_pools/${name}`, { base_job_template });
export const listWorkers = (pool: string) => post(path`/work_pools/${pool}/workers/filter`, {}, wire.workers);

/** An upsert by name which deletes and re-creates the schedules: only for making one. */
export const createDeployment = (body: wire.DeploymentCreate) => ({
  ...post('/deployments/', body, wire.deployment),
  callersValues: true,
});
export const readDeployment = (id: string) => get(path`/deployments/${id}`, wire.deployment);
export const readDeploymentByName = (name: string, flow = FLOW_NAME) =>
  get(path`/deployments/name/${flow}/${name}`, wire.deployment);
export const patchDeployment = (id: string, body: wire.DeploymentUpdate) => ({
  ...patch(path`/deployments/${id}`, body),
  callersValues: true,
});
export const removeDeployment = (id: string) => remove(path`/deployments/${id}`);
export const removeSchedule = (id: string, scheduleId: string) =>
  remove(path`/deployments/${id}/schedules/${scheduleId}`);
export const pauseDeployment = (id: string) => post(path`/deployments/${id}/pause_deployment`, undefined, wire.done);
export const resumeDeployment = (id: string) => post(path`/deployments/${id}/resume_deployment`, undefined, wire.done);
export interface DeploymentFilter {
  tags?: { all_: string[] };
  name?: { any_: string[] };
}
/** Of our flow, by name. */
export const filterDeployments = (deployments: DeploymentFilter, offset: number, limit: number) =>
  post(
    '/deployments/filter',
    { deployments, flows: { name: { any_: [FLOW_NAME] } }, sort: 'NAME_ASC', offset, limit },
    z.array(wire.deployment),
  );

export const createFlowRun = (
  deploymentId: string,
  body: { idempotency_key: string; parameters: Record<string, string>; tags: string[] },
) => post(path`/deployments/${deploymentId}/create_flow_run`, body, wire.createdFlowRun);
export const readFlowRun = (id: string) => get(path`/flow_runs/${id}`, wire.flowRun);
export const setState = (
  id: string,
  state: {
    type: wire.StateType;
    name?: string;
    message?: string;
    state_details: { transition_id: string; scheduled_time?: string };
  },
) => post(path`/flow_runs/${id}/set_state`, { state, force: false }, wire.verdict);
/** Nothing runs it any more. */
export const forgetProcess = (id: string) => patch(path`/flow_runs/${id}`, { infrastructure_pid: null });
/** Earliest first, 200 at most. */
export const filterFlowRuns = (flow_runs: wire.FlowRunFilter) =>
  post('/flow_runs/filter', { flow_runs, sort: 'EXPECTED_START_TIME_ASC', limit: 200 }, z.array(wire.flowRun));

/** Of our flow alone, by id, 200 at most. */
export const filterOurFlowRuns = (flow_runs: wire.FlowRunFilter, offset: number) =>
  post(
    '/flow_runs/filter',
    { flows: { name: { any_: [FLOW_NAME] } }, flow_runs, sort: 'ID_DESC', limit: 200, offset },
    z.array(wire.flowRun),
  );

export const createLogs = (lines: wire.LogCreate[]) => post('/logs/', lines, wire.done);
export const readLogs = (flowRunId: string, offset: number, limit: number) =>
  post(
    '/logs/filter',
    { logs: { flow_run_id: { any_: [flowRunId] } }, sort: 'TIMESTAMP_ASC', offset, limit },
    z.array(wire.logLine),
  );
export const createArtifact = (artifact: {
  key: string;
  type: string;
  data: unknown;
  flow_run_id: string;
  description?: string;
}) => post('/artifacts/', artifact, wire.withId);
export const patchArtifact = (id: string, change: { data: unknown; description?: string }) =>
  patch(path`/artifacts/${id}`, change);
export const createEvent = (event: { id: string; occurred: string; event: string; resource: Record<string, string> }) =>
  post('/events', [event], wire.done);
