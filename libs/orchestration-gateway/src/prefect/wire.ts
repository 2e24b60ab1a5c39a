import { z } from 'zod';
import type { components } from '../generated/prefect-api';

type Schemas = components['schemas'];
export type StateType = Schemas['StateType'];
export type DeploymentCreate = Schemas['DeploymentCreate'];
export type DeploymentUpdate = Schemas['DeploymentUpdate'];
export type FlowRunFilter = Schemas['FlowRunFilter'];
export type LogCreate = Schemas['LogCreate'];

/** The fields of an answer we read; the compiler refuses a name that Prefect's own schema does not have. */
type FieldsOf<K extends keyof Schemas> = Partial<Record<keyof Schemas[K], z.ZodType>>;

/** For answers whose body says nothing: empty or `null`. Anything else comes from another server, which has not done what was asked. */
export const done = z.union([z.null(), z.undefined()]).transform(() => true as const);
export const version = z.string();
export const withId = z.object({ id: z.uuid() });
export const createdFlowRun = z.object({
  id: z.uuid(),
  tags: z.array(z.string()),
} satisfies FieldsOf<'FlowRunResponse'>);

/** A state type we do not know is an error: a new kind of state must be understood before anything is decided on it. */
export const stateType = z.enum([
  ...(['SCHEDULED', 'PENDING', 'RUNNING', 'PAUSED', 'CANCELLING'] as const),
  ...(['COMPLETED', 'FAILED', 'CRASHED', 'CANCELLED'] as const),
] satisfies StateType[]);

const template = z.record(z.string(), z.unknown());

export const workPool = z.object({
  name: z.string(),
  type: z.string(),
  base_job_template: template,
} satisfies FieldsOf<'WorkPoolResponse'>);
export const workers = z.array(
  z.object({ name: z.string(), status: z.enum(['ONLINE', 'OFFLINE']) } satisfies FieldsOf<'WorkerResponse'>),
);

/** Intervals and rrules exist too, made by hand; they are not ours, so they are read as a schedule without a cron. */
const timing = z.object({ cron: z.string().optional(), timezone: z.string().nullish() });

export const schedule = z.object({
  id: z.uuid(),
  slug: z.string().nullish(),
  active: z.boolean(),
  schedule: timing,
  parameters: template.default({}),
} satisfies FieldsOf<'DeploymentSchedule'>);

export const deployment = z.object({
  id: z.uuid(),
  name: z.string(),
  paused: z.boolean(),
  updated: z.coerce.date(),
  tags: z.array(z.string()),
  parameters: template,
  work_pool_name: z.string().nullable(),
  enforce_parameter_schema: z.boolean(),
  schedules: z.array(schedule),
} satisfies FieldsOf<'DeploymentResponse'>);

const state = z.object({
  type: stateType,
  name: z.string(),
  message: z.string().nullish(),
  state_details: z.object({ transition_id: z.uuid().nullish() } satisfies FieldsOf<'StateDetails'>),
} satisfies FieldsOf<'State'>);

export const flowRun = z.object({
  id: z.uuid(),
  deployment_id: z.uuid().nullable(),
  state,
  parameters: template,
  auto_scheduled: z.boolean(),
  tags: z.array(z.string()),
  idempotency_key: z.string().nullish(),
  work_pool_name: z.string().nullish(),
  expected_start_time: z.coerce.date().nullable(),
} satisfies FieldsOf<'FlowRunResponse'>);

/** `set_state` answers 200 or 201 whatever happened; the truth is `status`. */
export const verdict = z.object({
  status: z.enum(['ACCEPT', 'REJECT', 'WAIT', 'ABORT']),
  state: state.nullable(),
  details: z.object({ delay_seconds: z.number().optional(), reason: z.string().nullish() }),
} satisfies FieldsOf<'OrchestrationResult'>);

export const logLine = z.object({
  timestamp: z.coerce.date(),
  level: z.number(),
  message: z.string(),
} satisfies FieldsOf<'Log'>);

export type WireDeployment = z.output<typeof deployment>;
export type WireFlowRun = z.output<typeof flowRun>;
export type WireWorkPool = z.output<typeof workPool>;
export type Verdict = z.output<typeof verdict>;
