import type { Clock } from '@sluice/kernel';
import { FlowRuns, dueTicks } from './api/flow-runs';
import type { PrefectClient } from './prefect/client';
import { unavailable } from './prefect/failures';
import * as routes from './prefect/routes';
import { AWAITING, PHASE_OF, STATE_OF, UNENDED, flowRunOf, insteadOf } from './prefect/words';
import { Artifacts } from './runner/artifacts';
import { LogQueue } from './runner/log-queue';
import { Proposals, type Answered } from './runner/proposals';
import { Pulse } from './runner/pulse';
import type { FlowRun, FlowRunOutcome, FlowRunPhase, LogLine } from './types';

const START_PATIENCE_MS = 30_000;
const END_PATIENCE_MS = 60_000;
/** A worker fetches runs up to 10 s before their time; more than this is not ours to wait for. */
const LONGEST_WAIT_SECONDS = 60;
const STARTABLE: ReadonlySet<FlowRunPhase> = new Set(['scheduled', 'pending', 'running', 'paused']);

/**
 * The conversation of one flow run with Prefect, for the process that executes it.
 * State proposals carry a `transition_id`, so a retry is safe. They are retried through outages: RUNNING for 30 s, the terminal state for 60 s.
 */
export class FlowRunSession {
  readonly #proposals: Proposals;
  readonly #logs: LogQueue;
  readonly #artifacts: Artifacts;
  readonly #pulse: Pulse;

  constructor(
    private readonly prefect: PrefectClient,
    private readonly clock: Clock,
    private readonly flowRunId: string,
  ) {
    this.#proposals = new Proposals(prefect, clock, flowRunId);
    this.#logs = new LogQueue(prefect, clock, flowRunId);
    this.#artifacts = new Artifacts(prefect, flowRunId);
    this.#pulse = new Pulse(prefect, clock, flowRunId);
  }

  /** The flow run as it is now; `null` when Prefect does not know it. */
  async read(): Promise<FlowRun | null> {
    const found = await this.prefect.find(routes.readFlowRun(this.flowRunId));
    return found && flowRunOf(found);
  }

  /** The same through an outage of up to 30 s. */
  readPatiently(): Promise<FlowRun | null> {
    return this.#proposals.patiently(() => this.read(), START_PATIENCE_MS);
  }

  /**
   * Proposes RUNNING. True only when Prefect accepted it (also when the acceptance got lost on its way and was repeated).
   * Started before its time (workers fetch ahead), it waits as Prefect says. A run that is ended or being cancelled is not proposed at
   * all: Prefect would accept RUNNING even after CANCELLED.
   */
  async proposeRunning(): Promise<boolean> {
    for (;;) {
      if (!(await this.#mayStart())) return false;
      const answered = await this.#proposals.propose({ type: 'RUNNING' }, START_PATIENCE_MS);
      const seconds = answered.details.delay_seconds;
      if (answered.status !== 'WAIT' || seconds === undefined || seconds > LONGEST_WAIT_SECONDS)
        return answered.accepted;
      await this.clock.sleep(seconds * 1000);
    }
  }

  async #mayStart(): Promise<boolean> {
    const run = await this.readPatiently();
    return run !== null && STARTABLE.has(run.phase);
  }

  /**
   * Gives the flow run back to Prefect, which hands it to a worker again in so many seconds; this process ends. Named as Prefect names a run
   * that waits for others, since a change of the deployment deletes what is merely planned; without its process, so that a cancellation
   * finds nothing to end and is done at once. False: it was cancelled meanwhile.
   */
  async giveBack(seconds: number, message: string): Promise<boolean> {
    await this.#proposals.patiently(() => this.prefect.find(routes.forgetProcess(this.flowRunId)), START_PATIENCE_MS);
    const scheduledTime = new Date(this.clock.now().getTime() + seconds * 1000);
    return (await this.#proposals.propose({ ...AWAITING, message, scheduledTime }, START_PATIENCE_MS)).accepted;
  }

  /** Whether Prefect has another run of this deployment's timetable that is due, later than `after`, and not ended. */
  async hasLaterTick(deploymentId: string, after: Date): Promise<boolean> {
    const filter = dueTicks(deploymentId, new Date(after.getTime() + 1), this.clock.now());
    const ask = () => this.prefect.send(routes.filterFlowRuns({ ...filter, state: UNENDED }));
    return (await this.#proposals.patiently(ask, START_PATIENCE_MS)).length > 0;
  }

  /** The first tick of this deployment's timetable from `from` on that Prefect has a flow run for, whatever became of it; `null`: there is none. */
  async firstTick(deploymentId: string, from: Date): Promise<Date | null> {
    const ask = () => this.prefect.send(routes.filterFlowRuns(dueTicks(deploymentId, from, null)));
    return (await this.#proposals.patiently(ask, START_PATIENCE_MS))[0]?.expected_start_time ?? null;
  }

  /** Asks Prefect to cancel another flow run; one that has ended or is gone is fine. */
  async cancelOther(flowRunId: string): Promise<void> {
    const cancel = () => new FlowRuns(this.prefect, this.clock).cancel(flowRunId);
    await this.#proposals.patiently(cancel, START_PATIENCE_MS);
  }

  /**
   * Proposes the terminal state; `message` is a sentence for a person. What Prefect makes of it where somebody cancels or gave retries is answered
   * with `insteadOf`. Returns the phase Prefect holds now.
   */
  async finish(outcome: FlowRunOutcome, message: string): Promise<FlowRunPhase> {
    const answered = await this.#proposals.propose({ ...STATE_OF[outcome], message }, END_PATIENCE_MS);
    const instead = answered.accepted ? null : insteadOf(outcome, answered.state?.type);
    if (!instead) return phaseIn(answered);
    return phaseIn(await this.#proposals.propose({ ...STATE_OF[instead], message }, END_PATIENCE_MS));
  }

  /** Queues a line; lines go to Prefect in batches each second and with `flush`. Never throws: a log that cannot be sent is dropped and counted. */
  log(level: LogLine['level'], message: string): void {
    this.#logs.add(level, message);
  }

  flush(): Promise<void> {
    return this.#logs.flush();
  }

  /** Log lines that never reached Prefect. */
  get droppedLines(): number {
    return this.#logs.dropped;
  }

  /** Leaves a markdown artifact with the given key (lower case, digits and dashes). Never throws. */
  leaveMarkdown(key: string, markdown: string): Promise<void> {
    return this.#artifacts.markdown(key, markdown);
  }

  /** Creates (first call) or updates a progress artifact, 0-100. Never throws. */
  progress(percent: number, description: string): Promise<void> {
    return this.#artifacts.progress(percent, description);
  }

  /** Aborts when Prefect's state turns CANCELLING or CANCELLED (asked every 2 s, from the first use of this signal) until `close`. */
  get cancelled(): AbortSignal {
    this.#pulse.start();
    return this.#pulse.cancelled;
  }

  /** Flushes and stops its timers. Repeatable. */
  async close(): Promise<void> {
    this.#pulse.stop();
    await this.#logs.flush();
    this.prefect.close();
  }
}

function phaseIn({ state }: Answered): FlowRunPhase {
  if (!state) throw unavailable('protocol', 'a verdict on a terminal state came without a state');
  return PHASE_OF[state.type];
}
