import type { Clock } from '@sluice/kernel';
import { isOutage } from './outage';

/** How long an outage is waited for, from the first failure's call on, ms. */
export const PATIENCE_MS = 60_000;
/** For one answer: a connection that was cut without a word gives none. */
const ANSWER_MS = 15_000;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 5_000;

/**
 * Repeats a call while the database is away, with growing pauses, for `patienceMs`; then, and for any other fault, raises what it met.
 * `again`: an earlier try failed, and may have done its work before its answer was lost. A try given up may still do it later: only for what can be repeated.
 */
export async function patiently<T>(
  clock: Clock,
  call: (again: boolean) => Promise<T>,
  patienceMs = PATIENCE_MS,
): Promise<T> {
  const until = clock.elapsed() + patienceMs;
  for (let pause = FIRST_PAUSE_MS, again = false; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS), again = true) {
    try {
      return await answered(call(again));
    } catch (error) {
      if (!isOutage(error) || clock.elapsed() + pause >= until) throw error;
      await clock.sleep(pause);
    }
  }
}

async function answered<T>(call: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`The control database has not answered for ${ANSWER_MS / 1000} s.`));
    }, ANSWER_MS);
  });
  try {
    return await Promise.race([call, silence]);
  } finally {
    clearTimeout(timer);
  }
}
