import type { OrchestrationUnavailable } from '@sluice/kernel';
import { CircuitState, circuitBreaker, handleWhen, isBrokenCircuitError, type IBreaker } from 'cockatiel';
import type { CircuitStatus } from '../types';
import { unavailable } from './failures';
import { AttemptFailed } from './retry';

const FAILURES_TO_OPEN = 3;
/** Many calls that fail at one moment are one event: a restart of the server resets all connections at once. */
const LASTING_MS = 2_000;
/** How long an open circuit refuses before one call is let through to see. */
const HALF_OPEN_AFTER_MS = 1_000;

/**
 * Spares callers the wait for a server that is known to be down. It opens after three failures in a row that span 2 s (of operations; where
 * another server could be asked, of attempts), or when the probe says so, and closes with the first call that succeeds, or when the probe says
 * so: it never hides a recovery for longer than the next probe.
 */
export class Breaker {
  #circuit = new Circuit();
  #told: OrchestrationUnavailable | null = null;

  /** The probe saw the server well: whatever was counted before is forgotten. */
  close(): void {
    this.#told = null;
    this.#circuit = new Circuit();
  }

  /** The probe saw the server down: nobody is sent there until it sees it well. */
  open(failure: OrchestrationUnavailable): void {
    this.#told = failure;
  }

  /** False: `run` would refuse at once. A call that does not count is no trial either. */
  admits(counting: boolean): boolean {
    return this.#told === null && this.#circuit.admits(counting);
  }

  /** `half_open`: the next call is let through to see, or is on its way. */
  get state(): CircuitStatus['state'] {
    return this.#told ? 'open' : this.#circuit.state;
  }

  /**
   * Runs `call`, or throws an `AttemptFailed` at once. `counting`: its failure speaks for the server; false for calls that had too little time
   * to prove anything.
   */
  async run<T>(call: () => Promise<T>, counting: boolean): Promise<T> {
    if (!this.admits(counting)) throw this.knownDown;
    if (!counting) return call();
    try {
      return await this.#circuit.policy.execute(call);
    } catch (error) {
      throw isBrokenCircuitError(error) ? this.knownDown : error;
    }
  }

  /** Why it refuses: what the last real call, or the probe, met. */
  get knownDown(): AttemptFailed {
    const last = this.#told ?? this.#circuit.lastFailure;
    return new AttemptFailed(unavailable(last?.reason ?? 'not_initialized', last));
  }
}

/** Cockatiel's policy cannot be closed from outside, so closing is a new one. */
class Circuit {
  readonly policy = circuitBreaker(
    handleWhen((error) => error instanceof AttemptFailed && error.isOutage),
    { halfOpenAfter: HALF_OPEN_AFTER_MS, breaker: new LastingFailure() },
  );
  #openedAt = 0;

  constructor() {
    this.policy.onBreak(() => (this.#openedAt = Date.now()));
  }

  get state(): CircuitStatus['state'] {
    if (this.policy.state === CircuitState.Closed) return 'closed';
    return this.policy.state === CircuitState.HalfOpen || this.#hasCooled ? 'half_open' : 'open';
  }

  /** While one call is on trial the others are refused; cockatiel would let them wait for its end. */
  admits(counting: boolean): boolean {
    if (this.policy.state === CircuitState.Closed) return true;
    return counting && this.policy.state === CircuitState.Open && this.#hasCooled;
  }

  get #hasCooled(): boolean {
    return Date.now() - this.#openedAt >= HALF_OPEN_AFTER_MS;
  }

  get lastFailure(): OrchestrationUnavailable | null {
    const last = this.policy.lastFailure;
    return last && 'error' in last && last.error instanceof AttemptFailed ? last.error.failure : null;
  }
}

/** When the circuit opens. `since`: of the first failure in a row, epoch ms. */
class LastingFailure implements IBreaker {
  state = { failures: 0, since: 0 };

  success(): void {
    this.state = { failures: 0, since: 0 };
  }

  failure(): boolean {
    const since = this.state.failures === 0 ? Date.now() : this.state.since;
    this.state = { failures: this.state.failures + 1, since };
    return this.state.failures >= FAILURES_TO_OPEN && Date.now() - since >= LASTING_MS;
  }
}
