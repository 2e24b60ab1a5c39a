/** One thing the reconciler looks after. */
export interface ReconcilerStep {
  readonly name: string;
  /** False: it would do nothing in this pass, which says nothing of whether it works. Default: it is due in each. */
  readonly isDue?: boolean;
  /**
   * Does a few things at most and resolves with a sentence for each. Once `stop` is aborted it begins no further call to Prefect: it resolves with what it
   * has done, or rejects. Default: nobody stops it.
   */
  run(stop?: AbortSignal): Promise<string[]>;
}

/** The items up to when somebody stops the pass. */
export function* untilStopped<T>(items: Iterable<T>, stop: AbortSignal | undefined): Generator<T> {
  for (const item of items) {
    if (stop?.aborted) return;
    yield item;
  }
}
