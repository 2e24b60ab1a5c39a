import type { OrchestrationReason, OrchestrationUnavailable } from '@sluice/kernel';

/** Causes that may be gone a moment later. `auth`, `protocol` and `version` need a person, so asking again only takes time. */
const PASSING: ReadonlySet<OrchestrationReason> = new Set(['refused', 'timeout', 'reset', 'http_5xx', 'rate_limited']);
const OUTAGES: ReadonlySet<OrchestrationReason> = new Set(['refused', 'timeout', 'reset', 'http_5xx']);
/** What is told where several servers failed: the least dead one's failure. One that passes is better than one that needs a person. */
const DEADNESS: Readonly<Record<OrchestrationReason, number>> = {
  http_5xx: 0,
  rate_limited: 0,
  reset: 0,
  auth: 1,
  protocol: 1,
  version: 1,
  not_initialized: 1,
  timeout: 2,
  refused: 3,
};
const MAX_RETRIES = 2;
const FIRST_PAUSE_MS = 100;
const GROWTH = 4;

/**
 * An attempt that brought no answer to work with. `askedMs`: what the server's `Retry-After` asks for, 0 without one. `givenUp`: the caller
 * did not wait for the answer any longer, which says nothing about the server.
 */
export class AttemptFailed extends Error {
  constructor(
    readonly failure: OrchestrationUnavailable,
    readonly askedMs = 0,
    readonly givenUp = false,
  ) {
    super(failure.message, { cause: failure });
  }

  /** True when the server seems to be down. One that answers, even with a refusal, is not. */
  get isOutage(): boolean {
    return OUTAGES.has(this.failure.reason) && !this.givenUp;
  }

  /** The lower, the likelier the server is there: such a one is asked first, and its failure is the one to tell. */
  get deadness(): number {
    return DEADNESS[this.failure.reason];
  }
}

/**
 * Milliseconds to wait before try number `retry` (1, 2); `null`: give up. Jitter takes half of the pause away at most.
 * A server's `Retry-After` is obeyed, and when it does not fit into `leftMs` the call fails at once.
 */
export function pauseBefore(
  retry: number,
  { failure, askedMs }: AttemptFailed,
  leftMs: number,
  random: () => number,
): number | null {
  if (retry > MAX_RETRIES || !PASSING.has(failure.reason)) return null;
  const growing = FIRST_PAUSE_MS * GROWTH ** (retry - 1) * (0.5 + random() / 2);
  const pause = Math.max(growing, askedMs);
  return pause < leftMs ? pause : null;
}
