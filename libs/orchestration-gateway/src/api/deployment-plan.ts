import { isDeepStrictEqual } from 'node:util';
import { SCHEDULE_SLUG, TAG, deploymentName, installationTag, isInstallationTag } from '../names';
import type { DeploymentCreate, DeploymentUpdate, WireDeployment } from '../prefect/wire';
import { deploymentOf } from '../prefect/words';
import type { DeploymentSpec, Difference, Timetable } from '../types';

/** Parameters of a flow run that are ours to give. */
const OVERRIDING: ReadonlySet<string> = new Set(['ingestion_id', 'run_id']);

/** What all our deployments have in common. */
export interface Common {
  pool: string;
  /** Whose they are; `null`: nobody tells installations apart. */
  installation: string | null;
}

/** What must be done so that a deployment is as its spec says. */
export interface DeploymentPlan {
  /** Schedules to delete: ours when there is no timetable any more, and whatever somebody added by hand. */
  dropSchedules: string[];
  /** The PATCH; `null` when nothing differs, since any PATCH drops the runs already planned. */
  patch: DeploymentUpdate | null;
  /** `null`: as it is. By the route for it, because a PATCH of `paused` would keep Late runs, which then still start. */
  paused: boolean | null;
}

export function planFor(now: WireDeployment, spec: DeploymentSpec, common: Common): DeploymentPlan {
  const differences = { ...scheduleDifference(now, spec.timetable), ...fieldDifferences(now, spec, common) };
  const patch = { ...differences, description: spec.title };
  return {
    dropSchedules: needless(now, spec).map((item) => item.id),
    patch: Object.keys(differences).length === 0 ? null : patch,
    paused: now.paused === spec.paused ? null : spec.paused,
  };
}

/** The same comparison, told: empty when the plan has nothing to do. */
export function differencesOf(now: WireDeployment, spec: DeploymentSpec, common: Common): Difference[] {
  const { timetable, paused } = deploymentOf(now);
  const others = needless(now, spec).filter(
    (item) => item.slug !== SCHEDULE_SLUG || !item.active || timetable === null,
  );
  const all: Difference[] = [
    { field: 'timetable', expected: spec.timetable, found: timetable },
    { field: 'paused', expected: spec.paused, found: paused },
    { field: 'work_pool', expected: common.pool, found: now.work_pool_name },
    { field: 'tags', expected: tagsFor(now.tags, common.installation), found: now.tags },
    { field: 'ingestion_id', expected: spec.ingestionId, found: now.parameters['ingestion_id'] ?? null },
    { field: 'schedule_parameters', expected: {}, found: spec.timetable ? scheduleParameters(now).overriding : {} },
    { field: 'enforce_parameter_schema', expected: false, found: now.enforce_parameter_schema },
    { field: 'other_schedules', expected: [], found: others.map((item) => item.schedule.cron ?? item.id) },
  ];
  return all.filter(({ expected, found }) => !isDeepStrictEqual(expected, found));
}

/** Schedules that nobody of ours made, and ours when there is no timetable. */
function needless(now: WireDeployment, spec: DeploymentSpec): WireDeployment['schedules'] {
  return now.schedules.filter((item) => item.slug !== SCHEDULE_SLUG || !spec.timetable);
}

/** All there are, and ours. A deployment that carries the tag of another installation is not claimed. */
function tagsFor(tags: readonly string[], installation: string | null): string[] {
  const mark = installation === null || tags.some(isInstallationTag) ? [] : [installationTag(installation)];
  return [...new Set([...tags, TAG, ...mark])];
}

function scheduleDifference(now: WireDeployment, wanted: Timetable | null): DeploymentUpdate {
  const { timetable } = deploymentOf(now);
  const { overriding, others } = scheduleParameters(now);
  const isAsWanted = timetable?.cron === wanted?.cron && timetable?.timezone === wanted?.timezone;
  if (!wanted || (isAsWanted && Object.keys(overriding).length === 0)) return {};
  return { schedules: [{ ...scheduleFor(wanted), parameters: others }] };
}

/** The own parameters of our schedule. Those that would take the place of the deployment's must not be there; the others are the operator's. */
function scheduleParameters(now: WireDeployment) {
  const own = Object.entries(now.schedules.find((item) => item.slug === SCHEDULE_SLUG)?.parameters ?? {});
  const [overriding, others] = [true, false].map((is) => own.filter(([name]) => OVERRIDING.has(name) === is));
  return { overriding: Object.fromEntries(overriding ?? []), others: Object.fromEntries(others ?? []) };
}

function fieldDifferences(now: WireDeployment, spec: DeploymentSpec, common: Common): DeploymentUpdate {
  const differences: DeploymentUpdate = {};
  const tags = tagsFor(now.tags, common.installation);
  if (now.work_pool_name !== common.pool) differences.work_pool_name = common.pool;
  if (!isDeepStrictEqual(now.tags, tags)) differences.tags = tags;
  if (now.parameters['ingestion_id'] !== spec.ingestionId) differences.parameters = { ingestion_id: spec.ingestionId };
  if (now.enforce_parameter_schema) differences.enforce_parameter_schema = false;
  return differences;
}

export function creationOf(spec: DeploymentSpec, flowId: string, common: Common): DeploymentCreate {
  return {
    name: deploymentName(spec.ingestionId),
    flow_id: flowId,
    work_pool_name: common.pool,
    description: spec.title,
    tags: tagsFor([], common.installation),
    parameters: { ingestion_id: spec.ingestionId },
    enforce_parameter_schema: false,
    paused: spec.paused,
    schedules: spec.timetable ? [scheduleFor(spec.timetable)] : [],
  };
}

function scheduleFor({ cron, timezone }: Timetable) {
  return { slug: SCHEDULE_SLUG, active: true, schedule: { cron, timezone, day_or: true } };
}
