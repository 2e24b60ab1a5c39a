import { randomUUID } from 'node:crypto';
import { Cron } from 'croner';
import { z } from 'zod';
import { Refusal, anyOf, matches, notFound, page, parse, type Reply } from './reply';
import { CANARY, removeWhere, type FakeDeployment, type FakeSchedule, type FakeStore } from './state';

const cronSchedule = z
  .strictObject({ cron: z.string(), timezone: z.string(), day_or: z.boolean().default(true) })
  .refine((schedule) => fires(schedule.cron, schedule.timezone), 'Invalid cron string or time zone');
/** One start, far away: all that the canary needs. */
const rruleSchedule = z
  .strictObject({ rrule: z.string().regex(/^DTSTART:\d{8}T\d{6}Z\nRRULE:FREQ=DAILY;COUNT=1$/), timezone: z.string() })
  .transform((schedule) => ({ ...schedule, cron: '', day_or: true }));
const scheduleSchema = z.strictObject({
  slug: z.string().nullish(),
  active: z.boolean().optional(),
  schedule: z.union([cronSchedule, rruleSchedule]).optional(),
  parameters: z.record(z.string(), z.unknown()).default({}),
});
const changes = z.strictObject({
  description: z.string().nullish(),
  paused: z.boolean().optional(),
  tags: z.array(z.string()).optional(),
  parameters: z.record(z.string(), z.unknown()).optional(),
  work_pool_name: z.string().nullish(),
  enforce_parameter_schema: z.boolean().optional(),
  schedules: z.array(scheduleSchema).optional(),
});
const creation = changes.extend({ name: z.string(), flow_id: z.uuid() });
type ScheduleBody = z.output<typeof scheduleSchema>;

function fires(cron: string, timezone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: timezone || 'UTC' });
    return new Cron(cron, { paused: true }) instanceof Cron;
  } catch {
    return false;
  }
}

/** An upsert by name: schedules are deleted and made anew each time, as measured. */
export function createDeployment(store: FakeStore, body: unknown): Reply {
  const wanted = parse(creation, body);
  if (/[/%]/.test(wanted.name)) throw new Refusal(500, { exception_message: 'Internal Server Error' });
  requirePool(store, wanted.work_pool_name);
  const flow = store.flows.find((each) => each.id === wanted.flow_id);
  if (!flow) throw new Refusal(409, { detail: 'Data integrity conflict.' });
  const list = flow.name === CANARY ? store.canaries : store.deployments;
  const known = list.find((item) => item.flow_id === wanted.flow_id && item.name === wanted.name);
  const deployment = known ?? blank(wanted.name, wanted.flow_id);
  if (!known) list.push(deployment);
  assignFields(deployment, wanted);
  deployment.schedules = (wanted.schedules ?? []).map((schedule) => newSchedule(deployment.id, schedule));
  dropPlannedRuns(store, deployment.id);
  return { status: known ? 200 : 201, body: deployment };
}

export function patchDeployment(store: FakeStore, id: string, body: unknown): Reply {
  const deployment = requireDeployment(store, id);
  const wanted = parse(changes, body);
  assignFields(deployment, wanted);
  for (const schedule of wanted.schedules ?? []) patchSchedule(deployment, schedule);
  dropPlannedRuns(store, id);
  return { status: 204 };
}

function patchSchedule(deployment: FakeDeployment, wanted: ScheduleBody): void {
  const known = deployment.schedules.find((item) => item.slug === wanted.slug);
  if (!known) return void deployment.schedules.push(newSchedule(deployment.id, wanted));
  if (wanted.schedule) known.schedule = wanted.schedule;
  if (wanted.active !== undefined) known.active = wanted.active;
  known.parameters = wanted.parameters;
  known.updated = new Date().toISOString();
}

export function readDeployment(store: FakeStore, id: string): Reply {
  return { status: 200, body: requireDeployment(store, id) };
}

export function readDeploymentByName(store: FakeStore, flowName: string, name: string): Reply {
  const flow = store.flows.find((item) => item.name === flowName);
  const deployment = store.allDeployments.find((item) => item.flow_id === flow?.id && item.name === name);
  if (!deployment) throw notFound('Deployment');
  return { status: 200, body: deployment };
}

const filterSchema = z.object({
  deployments: z.object({ tags: z.object({ all_: z.array(z.string()) }).optional(), name: anyOf }).optional(),
  flows: z.object({ name: anyOf }).optional(),
  sort: z.enum(['NAME_ASC', 'CREATED_DESC', 'UPDATED_DESC', 'NAME_DESC']).default('NAME_ASC'),
  ...page,
});

export function filterDeployments(store: FakeStore, body: unknown): Reply {
  const { deployments, flows, sort, offset, limit } = parse(filterSchema, body);
  const tags = deployments?.tags?.all_ ?? [];
  const flowName = (id: string) => store.flows.find((flow) => flow.id === id)?.name ?? null;
  const found = store.allDeployments
    .filter((item) => tags.every((tag) => item.tags.includes(tag)) && matches(deployments?.name, item.name))
    .filter((item) => matches(flows?.name, flowName(item.flow_id)))
    .sort((a, b) => a.name.localeCompare(b.name));
  if (sort === 'UPDATED_DESC') found.sort((a, b) => b.updated.localeCompare(a.updated));
  return { status: 200, body: found.slice(offset, offset + limit) };
}

/** Deletes scheduled runs too; running, pending and slot-waiting ones stay. */
export function deleteDeployment(store: FakeStore, id: string): Reply {
  const lists = [store.deployments, store.canaries];
  if (lists.every((list) => removeWhere(list, (item) => item.id === id) === 0)) throw notFound('Deployment');
  removeWhere(
    store.flowRuns,
    (run) => run.deployment_id === id && run.state_type === 'SCHEDULED' && run.state_name !== 'AwaitingConcurrencySlot',
  );
  return { status: 204 };
}

export function deleteSchedule(store: FakeStore, id: string, scheduleId: string): Reply {
  const deployment = requireDeployment(store, id);
  if (removeWhere(deployment.schedules, (item) => item.id === scheduleId) === 0) throw notFound('Schedule');
  dropPlannedRuns(store, id);
  return { status: 204 };
}

export function pauseDeployment(store: FakeStore, id: string, paused: boolean): Reply {
  const deployment = requireDeployment(store, id);
  deployment.paused = paused;
  deployment.updated = new Date().toISOString();
  if (paused) dropPlannedRuns(store, id);
  return { status: 200, body: null };
}

export function requireDeployment(store: FakeStore, id: string): FakeDeployment {
  const deployment = store.allDeployments.find((item) => item.id === id);
  if (!deployment) throw notFound('Deployment');
  return deployment;
}

function requirePool(store: FakeStore, name: string | null | undefined): void {
  if (name && !store.workPools.some((pool) => pool.name === name)) throw notFound(`Work pool "${name}"`);
}

function blank(name: string, flowId: string): FakeDeployment {
  const now = new Date().toISOString();
  return {
    ...{ id: randomUUID(), created: now, updated: now, name, flow_id: flowId, description: null, paused: false },
    ...{ tags: [], parameters: {}, work_pool_name: null, enforce_parameter_schema: true, schedules: [] },
  };
}

function assignFields(deployment: FakeDeployment, wanted: z.output<typeof changes>): void {
  const { description, paused, tags, parameters, work_pool_name, enforce_parameter_schema } = wanted;
  const given = { description, paused, tags, parameters, work_pool_name, enforce_parameter_schema };
  Object.assign(deployment, Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)));
  deployment.updated = new Date().toISOString();
}

function newSchedule(deploymentId: string, wanted: ScheduleBody): FakeSchedule {
  if (!wanted.schedule) throw new Refusal(422, { detail: 'Unable to create new deployment schedules.' });
  return {
    id: randomUUID(),
    deployment_id: deploymentId,
    slug: wanted.slug ?? null,
    active: wanted.active ?? true,
    schedule: wanted.schedule,
    parameters: wanted.parameters,
    updated: new Date().toISOString(),
  };
}

function dropPlannedRuns(store: FakeStore, deploymentId: string): void {
  for (const runs of [store.flowRuns, store.canaryRuns])
    removeWhere(
      runs,
      (run) => run.deployment_id === deploymentId && run.auto_scheduled && run.state_type === 'SCHEDULED',
    );
}
