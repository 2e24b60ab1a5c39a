import type { Clock } from '@sluice/kernel';

/** Longest time of one attempt, so that a connection which died in silence leaves time for a second one. */
const ATTEMPT_MS = 3_000;
/** A server that had less time than this proves nothing when it does not answer. */
const FAIR_MS = 2_000;

/** The time one operation may take, all its requests, retries and pauses together. */
export class Budget {
  readonly #endsAt: number;

  constructor(
    private readonly clock: Clock,
    ms: number,
    /** Ends the operation early. */
    readonly signal?: AbortSignal,
    /** Asks also a server that is known to be down. */
    readonly insists = false,
    /** Each request is sent once: who has a reader waiting gains nothing by trying again. */
    readonly isSingle = false,
  ) {
    this.#endsAt = clock.elapsed() + ms;
  }

  /** Milliseconds left; 0 once it is over. */
  get left(): number {
    return this.signal?.aborted ? 0 : Math.max(0, this.#endsAt - this.clock.elapsed());
  }

  /**
   * Whether the failure of an attempt that begins now speaks for the server: it has a fair time. Where the caller may give up earlier nobody knows
   * what it will have had; as a trial it could close a circuit without any answer.
   */
  get counts(): boolean {
    return this.#isFair && !this.signal;
  }

  /** Milliseconds for an attempt that begins now, when `others` may have to be asked after it. Fair as long as that is possible. */
  attemptMs(others: number): number {
    const share = this.left / (others + 1);
    return this.#isFair ? Math.min(ATTEMPT_MS, Math.max(FAIR_MS, share)) : share;
  }

  get #isFair(): boolean {
    return this.left >= FAIR_MS;
  }
}
