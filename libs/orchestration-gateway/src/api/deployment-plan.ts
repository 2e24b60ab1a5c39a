import { SCHEDULE_SLUG, TAG, deploymentName } from '../names';
import type { DeploymentCreate, DeploymentUpdate, WireDeployment } from '../prefect/wire';
import { deploymentOf } from '../prefect/words';
import type { DeploymentSpec, Timetable } from '../types';

/** What must be done so that a deployment is as its spec says. */
export interface DeploymentPlan {
  /** Schedules to delete: ours when there is no timetable any more, and whatever somebody added by hand. */
  dropSchedules: string[];
  /** The PATCH; `null` when nothing differs, since any PATCH drops the runs already planned. */
  patch: DeploymentUpdate | null;
  /** `null`: as it is. By the route for it, because a PATCH of `paused` would keep Late runs, which then still start. */
  paused: boolean | null;
}

export function planFor(now: WireDeployment, spec: DeploymentSpec, pool: string): DeploymentPlan {
  const differences = { ...scheduleDifference(now, spec.timetable), ...fieldDifferences(now, spec, pool) };
  const patch = { ...differences, description: spec.title };
  return {
    dropSchedules: now.schedules
      .filter((item) => item.slug !== SCHEDULE_SLUG || !spec.timetable)
      .map((item) => item.id),
    patch: Object.keys(differences).length === 0 ? null : patch,
    paused: now.paused === spec.paused ? null : spec.paused,
  };
}

function scheduleDifference(now: WireDeployment, wanted: Timetable | null): DeploymentUpdate {
  const { timetable } = deploymentOf(now);
  if (!wanted || (timetable?.cron === wanted.cron && timetable.timezone === wanted.timezone)) return {};
  const parameters = now.schedules.find((item) => item.slug === SCHEDULE_SLUG)?.parameters ?? {};
  return { schedules: [{ ...scheduleFor(wanted), parameters }] };
}

function fieldDifferences(now: WireDeployment, spec: DeploymentSpec, pool: string): DeploymentUpdate {
  const differences: DeploymentUpdate = {};
  if (now.work_pool_name !== pool) differences.work_pool_name = pool;
  if (!now.tags.includes(TAG)) differences.tags = [...now.tags, TAG];
  if (now.parameters['ingestion_id'] !== spec.ingestionId) differences.parameters = { ingestion_id: spec.ingestionId };
  if (now.enforce_parameter_schema) differences.enforce_parameter_schema = false;
  return differences;
}

export function creationOf(spec: DeploymentSpec, flowId: string, pool: string): DeploymentCreate {
  return {
    name: deploymentName(spec.ingestionId),
    flow_id: flowId,
    work_pool_name: pool,
    description: spec.title,
    tags: [TAG],
    parameters: { ingestion_id: spec.ingestionId },
    enforce_parameter_schema: false,
    paused: spec.paused,
    schedules: spec.timetable ? [scheduleFor(spec.timetable)] : [],
  };
}

function scheduleFor({ cron, timezone }: Timetable) {
  return { slug: SCHEDULE_SLUG, active: true, schedule: { cron, timezone, day_or: true } };
}
