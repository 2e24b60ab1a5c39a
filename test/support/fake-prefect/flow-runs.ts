import { randomUUID } from 'node:crypto';
import { Cron } from 'croner';
import { z } from 'zod';
import { requireDeployment } from './deployments';
import { anyOf, matches, notFound, page, parse, type Reply } from './reply';
import { newState, type FakeDeployment, type FakeFlowRun, type FakeSchedule, type FakeStore } from './state';

const creation = z.object({
  idempotency_key: z.string().nullish(),
  parameters: z.record(z.string(), z.unknown()).default({}),
  tags: z.array(z.string()).default([]),
  empirical_policy: z.object({ retries: z.number().nullish() }).default({}),
});

/** The idempotency key is unique per flow; a repeated one answers 200 with the old run. */
export function createFlowRun(store: FakeStore, deploymentId: string, body: unknown): Reply {
  const deployment = requireDeployment(store, deploymentId);
  const wanted = parse(creation, body);
  const key = wanted.idempotency_key ?? null;
  const known = store.flowRuns.find((run) => run.flow_id === deployment.flow_id && run.idempotency_key === key);
  if (key !== null && known) return { status: 200, body: known };
  const run = newRun(deployment, new Date(), wanted.tags);
  run.idempotency_key = key;
  run.parameters = { ...run.parameters, ...wanted.parameters };
  run.retries_left = wanted.empirical_policy.retries ?? 0;
  store.flowRuns.push(run);
  return { status: 201, body: run };
}

export function requireFlowRun(store: FakeStore, id: string): FakeFlowRun {
  const run = store.flowRuns.find((item) => item.id === id);
  if (!run) throw notFound('Flow run');
  return run;
}

const filterSchema = z.object({
  flows: z.object({ name: anyOf }).default({}),
  flow_runs: z
    .object({
      id: anyOf,
      deployment_id: anyOf,
      idempotency_key: anyOf,
      state: z.object({ operator: z.enum(['and_', 'or_']).default('and_'), type: anyOf, name: anyOf }).optional(),
      tags: z.object({ all_: z.array(z.string()) }).optional(),
      expected_start_time: z
        .strictObject({ after_: z.iso.datetime().optional(), before_: z.iso.datetime().optional() })
        .optional(),
      end_time: z.strictObject({ after_: z.iso.datetime() }).optional(),
    })
    .default({}),
  sort: z.enum(['EXPECTED_START_TIME_ASC', 'EXPECTED_START_TIME_DESC', 'ID_DESC']).default('ID_DESC'),
  ...page,
});
type Filter = z.output<typeof filterSchema>['flow_runs'];

export function filterFlowRuns(store: FakeStore, body: unknown): Reply {
  const { flows, flow_runs, sort, offset, limit } = parse(filterSchema, body);
  plan(store);
  const flowIds = store.flows.filter(({ name }) => matches(flows.name, name)).map(({ id }) => id);
  const found = [...store.flowRuns, ...store.canaryRuns].filter(
    (run) => flowIds.includes(run.flow_id) && fits(run, flow_runs),
  );
  found.sort((a, b) => a.expected_start_time.localeCompare(b.expected_start_time));
  if (sort !== 'EXPECTED_START_TIME_ASC') found.reverse();
  return { status: 200, body: found.slice(offset, offset + limit) };
}

function fits(run: FakeFlowRun, filter: Filter): boolean {
  return (
    matches(filter.id, run.id) &&
    matches(filter.deployment_id, run.deployment_id) &&
    matches(filter.idempotency_key, run.idempotency_key) &&
    fitsState(run, filter.state) &&
    (filter.tags?.all_ ?? []).every((tag) => run.tags.includes(tag)) &&
    (!filter.end_time || (run.end_time ?? '') >= filter.end_time.after_) &&
    run.expected_start_time >= (filter.expected_start_time?.after_ ?? '') &&
    run.expected_start_time <= (filter.expected_start_time?.before_ ?? '9')
  );
}

function fitsState(run: FakeFlowRun, state: Filter['state']): boolean {
  const answers = [
    state?.type && matches(state.type, run.state_type),
    state?.name && matches(state.name, run.state_name),
  ];
  const given = answers.filter((answer) => typeof answer === 'boolean');
  return state?.operator === 'or_' ? given.some(Boolean) : given.every(Boolean);
}

/** The scheduler's work, done when somebody looks: three planned runs for each active schedule that has none. */
function plan(store: FakeStore): void {
  if (!store.schedulerAlive) return;
  planAll(store.deployments, store.flowRuns);
  planAll(store.canaries, store.canaryRuns);
}

function planAll(deployments: FakeDeployment[], runs: FakeFlowRun[]): void {
  for (const deployment of deployments.filter((item) => !item.paused)) {
    const planned = runs.some((run) => run.deployment_id === deployment.id && run.auto_scheduled);
    if (!planned) runs.push(...plannedRuns(deployment));
  }
}

function plannedRuns(deployment: FakeDeployment): FakeFlowRun[] {
  return deployment.schedules
    .filter((item) => item.active)
    .flatMap(({ schedule }) => timesOf(schedule))
    .map((at) => plannedRun(deployment, at));
}

/** A tick of the timetable as the scheduler plans it. */
export function plannedRun(deployment: FakeDeployment, at: Date): FakeFlowRun {
  return { ...newRun(deployment, at, ['auto-scheduled']), auto_scheduled: true };
}

function timesOf({ cron, timezone, rrule }: FakeSchedule['schedule']): Date[] {
  const start = /^DTSTART:(....)(..)(..)T(..)(..)(..)Z/.exec(rrule ?? '');
  if (!start) return new Cron(cron, { timezone, paused: true }).nextRuns(3);
  const [, year, month, day, hour, minute, second] = start;
  return [new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)];
}

function newRun(deployment: FakeDeployment, at: Date, tags: string[]): FakeFlowRun {
  const due = at.toISOString();
  return {
    id: randomUUID(),
    name: 'fake-run',
    flow_id: deployment.flow_id,
    deployment_id: deployment.id,
    parameters: { ...deployment.parameters },
    idempotency_key: null,
    tags: [...new Set([...deployment.tags, ...tags])],
    auto_scheduled: false,
    work_pool_name: deployment.work_pool_name,
    expected_start_time: due,
    end_time: null,
    state_type: 'SCHEDULED',
    state_name: 'Scheduled',
    state: newState('SCHEDULED', { state_details: { transition_id: null, scheduled_time: due } }),
  };
}
