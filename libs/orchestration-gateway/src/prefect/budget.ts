import type { Clock } from '@sluice/kernel';

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
}
