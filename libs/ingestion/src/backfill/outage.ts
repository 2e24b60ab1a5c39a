import { type Clock, OrchestrationUnavailable } from '@sluice/kernel';

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 5_000;

/** Waits through outages of Prefect that are short. Shared by all who work at once: they meet the same outage. */
export class Outage {
  private began: number | null = null;

  constructor(
    private readonly clock: Clock,
    private readonly patienceMs: number,
  ) {}

  /** Repeats `call` while Prefect cannot be used. Errors: `OrchestrationUnavailable` when that lasts longer than the patience; those of `call`. */
  async waitOut<T>(call: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      try {
        const result = await call();
        this.began = null;
        return result;
      } catch (error) {
        if (!(error instanceof OrchestrationUnavailable)) this.began = null;
        else if (!this.isTooLong() && !signal?.aborted) {
          await this.clock.sleep(pause, signal).catch(() => undefined);
          continue;
        }
        throw error;
      }
    }
  }

  private isTooLong(): boolean {
    const now = this.clock.elapsed();
    this.began ??= now;
    return now - this.began >= this.patienceMs;
  }
}
