/** Deterministic names: every call to Prefect can be repeated. */
export const FLOW_NAME = 'run-ingestion';
export const SCHEDULE_SLUG = 'main';
export const TAG = 'sluice';

const PREFIX = 'ingestion-';

export function deploymentName(ingestionId: string): string {
  return `${PREFIX}${ingestionId}`;
}

/** The ingestion a deployment's name stands for; `null` when the name is not one of ours. */
export function ingestionIdOf(name: string): string | null {
  const id = name.slice(PREFIX.length);
  return name.startsWith(PREFIX) && /^[0-9a-f-]{36}$/.test(id) ? id : null;
}

export function idempotencyKey(runId: string): string {
  return `run:${runId}`;
}

/** Of the one flow run that may be made in place of the first, which ended before its process came. */
export function idempotencyKeyInstead(runId: string): string {
  return `${idempotencyKey(runId)}:2`;
}

export function isKeyInstead(key: string | null | undefined): boolean {
  return key != null && /^run:[0-9a-f-]{36}:2$/.test(key);
}
