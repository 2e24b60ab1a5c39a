/** Deterministic names: every call to Prefect can be repeated. */
export const FLOW_NAME = 'run-ingestion';
export const SCHEDULE_SLUG = 'main';
export const TAG = 'sluice';
/** The flow and the deployment by which the scheduler's life is seen. */
export const CANARY = 'sluice-canary';

const PREFIX = 'ingestion-';
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

export function deploymentName(ingestionId: string): string {
  return `${PREFIX}${ingestionId}`;
}

/** The ingestion a deployment's name stands for; `null` when the name is not one of ours. */
export function ingestionIdOf(name: string): string | null {
  const id = name.slice(PREFIX.length);
  return name.startsWith(PREFIX) && UUID.test(id) ? id : null;
}

/** The tag that tells installations apart which share a Prefect. */
export function installationTag(installation: string): string {
  return `${TAG}:${installation}`;
}

export function isInstallationTag(tag: string): boolean {
  return tag.startsWith(`${TAG}:`);
}

/** The marks of Sluices among the tags. */
export function marksOf(tags: readonly string[]): string[] {
  return tags.filter(isInstallationTag);
}

/** Whether another Sluice has marked it. While `installation` is `null`, nobody tells installations apart. */
export function isOfAnother(tags: readonly string[], installation: string | null): boolean {
  return installation !== null && tags.some(isInstallationTag) && !tags.includes(installationTag(installation));
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
