/** The time of day and the passing of time; tests pass their own. */
export abstract class Clock {
  abstract now(): Date;
  /** Milliseconds since some moment: for how long something takes. The time of day steps when somebody sets it; this only grows. */
  elapsed(): number {
    return this.now().getTime();
  }
  /** Resolves after `ms` milliseconds; rejects with the signal's reason as soon as it aborts. */
  abstract sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export class SystemClock extends Clock {
  override now(): Date {
    return new Date();
  }

  override elapsed(): number {
    return performance.now();
  }

  override sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason as Error);
      const timer = setTimeout(done, ms);
      const stop = () => {
        clearTimeout(timer);
        reject(signal?.reason as Error);
      };
      signal?.addEventListener('abort', stop, { once: true });
      function done() {
        signal?.removeEventListener('abort', stop);
        resolve();
      }
    });
  }
}
