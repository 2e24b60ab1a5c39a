import { OrchestrationUnavailable } from '@sluice/kernel';

/** The sentences fixed by the wire contract for a Prefect that cannot be used. */
export const SENTENCE = {
  create: 'Cannot create ingestion: Orchestration service unavailable',
  update: 'Cannot update schedule: Orchestration service unavailable',
  pause: 'Cannot pause ingestion: Orchestration service unavailable',
  resume: 'Cannot resume ingestion: Orchestration service unavailable',
  trigger: 'Orchestration service unavailable. Please try again later.',
  cancel: 'Cannot cancel run: Orchestration service unavailable',
  logs: 'Cannot read logs: Orchestration service unavailable',
} as const;

/** Runs a call of the gateway; Prefect's absence is told in the sentence of the use case. */
export async function saying<T>(sentence: string, call: () => T | Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw error instanceof OrchestrationUnavailable ? error.saying(sentence) : error;
  }
}

const UNIQUE_VIOLATION = '23505';
const FOREIGN_KEY_VIOLATION = '23503';

/** The unique index a statement ran into, else `null`. */
export function takenIndex(error: unknown): string | null {
  const fault = driverError(error);
  return fault?.code === UNIQUE_VIOLATION ? (fault.constraint ?? '') : null;
}

export function isOrphan(error: unknown): boolean {
  return driverError(error)?.code === FOREIGN_KEY_VIOLATION;
}

function driverError(error: unknown): { code?: string; constraint?: string } | undefined {
  return (error as { driverError?: { code?: string; constraint?: string } } | undefined)?.driverError;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
