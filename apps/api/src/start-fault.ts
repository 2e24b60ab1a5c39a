import { ConfigError } from '@sluice/kernel';

/** A start that failed for a reason outside the program: what was tried, and what the system said. */
class StartFault extends Error {}

/** Runs a step of the start. Errors with a `code` come from the system or the database and get a sentence; all others are faults of ours. */
export async function whatFailed<T>(sentence: string, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    throw codeOf(error) === undefined ? error : new StartFault(`${sentence}: ${reasonOf(error)}.`, { cause: error });
  }
}

/** What a person needs to see of a start that failed: a sentence for what they can mend, the stack for what only we can. */
export function explain(error: unknown): string {
  if (error instanceof ConfigError || error instanceof StartFault) return error.message;
  return `The API did not start. ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
}

/** An address that resolves to several gives an `AggregateError`, whose message is empty. */
function reasonOf(error: unknown): string {
  const { message } = error as Error;
  return message === '' ? String(codeOf(error)) : message;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error ? (error as { code?: unknown }).code : undefined;
}
