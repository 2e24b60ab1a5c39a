import type { FileRecord, RunError, RunMetrics, RunningOrder, RunParameters } from '@sluice/ingestion';

/** Where a run tells what it does. Neither call ever fails or waits. */
export interface RunReporter {
  log(level: 'info' | 'warning' | 'error', message: string): void;
  /** 0 to 100. */
  progress(percent: number, message: string): void;
}

export interface RunRequest {
  order: RunningOrder;
  runId: string;
  parameters: RunParameters;
  /** This process's own random id; it fences what is written of the run. */
  executor: string;
  /** Aborts with a `RunStopped` as the reason. */
  signal: AbortSignal;
  report: RunReporter;
}

/** The run was told to stop; what was not committed is rolled back. */
export class RunStopped extends Error {
  constructor(
    readonly outcome: 'cancelled' | 'crashed',
    message: string,
  ) {
    super(message);
    this.name = 'RunStopped';
  }
}

export interface RunOutcome {
  status: 'success' | 'partial' | 'failed' | 'cancelled' | 'crashed' | 'skipped';
  /** One sentence for a person. */
  summary: string;
  metrics: RunMetrics;
  errors: RunError[];
  /** The last files with something to say (at most 50), for the report. */
  files: FileRecord[];
}
