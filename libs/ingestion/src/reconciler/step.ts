/** One thing the reconciler looks after. */
export interface ReconcilerStep {
  readonly name: string;
  /** Does a few things at most and resolves with a sentence for each. */
  run(): Promise<string[]>;
}
