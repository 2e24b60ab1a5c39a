import type { FlowRun, FlowRunOutcome, FlowRunPhase, LogLine } from './types';

/**
 * The conversation of one flow run with Prefect, for the process that executes it. Contract stub.
 * State proposals carry a `transition_id`, so a retry is safe. Calls are retried through short outages (up to 60 s for the terminal state).
 */
export class FlowRunSession {
  /** The flow run as it is now; `null` when Prefect does not know it. */
  read(): Promise<FlowRun | null> {
    throw new Error('contract');
  }
  /** Proposes RUNNING. True only when Prefect answered ACCEPT. */
  proposeRunning(): Promise<boolean> {
    throw new Error('contract');
  }
  /** Proposes the terminal state; `message` is a sentence for a person. When CANCELLING refuses it, CANCELLED is proposed instead. Returns the phase Prefect holds now. */
  finish(_outcome: FlowRunOutcome, _message: string): Promise<FlowRunPhase> {
    throw new Error('contract');
  }
  /** Queues a line; lines go to Prefect in batches each second and with `flush`. Never throws: a log that cannot be sent is dropped and counted. */
  log(_level: LogLine['level'], _message: string): void {}
  flush(): Promise<void> {
    throw new Error('contract');
  }
  /** Leaves a markdown artifact with the given key (lower case, digits and dashes). Never throws. */
  leaveMarkdown(_key: string, _markdown: string): Promise<void> {
    throw new Error('contract');
  }
  /** Creates (first call) or updates a progress artifact, 0-100. Never throws. */
  progress(_percent: number, _description: string): Promise<void> {
    throw new Error('contract');
  }
  /** Aborts when Prefect's state turns CANCELLING or CANCELLED (asked every 2 s) until `close`. */
  get cancelled(): AbortSignal {
    throw new Error('contract');
  }
  /** Flushes and stops its timers. */
  close(): Promise<void> {
    throw new Error('contract');
  }
}
