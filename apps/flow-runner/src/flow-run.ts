import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { BatchOrchestrator, type RunOutcome, RunStopped } from '@sluice/batch-orchestrator';
import { type Entered, RunPulse, RunRecorder, type RunningOrder, RunQueue, type StopOrder } from '@sluice/ingestion';
import { OrchestrationUnavailable } from '@sluice/kernel';
import { type FlowRun, FlowRunSession } from '@sluice/orchestration-gateway';
import { EXIT, type ExitCode } from './exit-codes';
import { markdownOf } from './report';
import { RunTurn, stoppedBecause, type Taken } from './turn';

/** One flow run of Prefect, from its first reading to its last state. This is the "flow" of the system. */
@Injectable()
export class FlowRunExecution {
  private readonly stopping = new AbortController();
  private readonly executor = randomUUID();

  constructor(
    private readonly session: FlowRunSession,
    private readonly recorder: RunRecorder,
    private readonly pulse: RunPulse,
    private readonly orchestrator: BatchOrchestrator,
    private readonly turn: RunTurn,
    private readonly queue: RunQueue,
  ) {}

  async execute(): Promise<ExitCode> {
    const flowRun = await this.session.readPatiently();
    if (flowRun === null) return EXIT.unreported;
    try {
      // Given up for lost, or cancelled, before this process came: another flow run may be under way in its place.
      return ENDED.has(flowRun.phase) ? EXIT.reported : await this.executeKnown(flowRun);
    } finally {
      await this.pulse.end();
      await this.session.close();
    }
  }

  /** SIGTERM: a cancellation when Prefect says so, else somebody is ending this process. Nothing uncommitted stays either way. */
  async terminate(): Promise<void> {
    const flowRun = await this.session.read().catch(() => null);
    const cancelled = flowRun?.phase === 'cancelling' || flowRun?.phase === 'cancelled';
    this.stopping.abort(
      cancelled
        ? wasCancelled()
        : new RunStopped(
            'crashed',
            'The process was told to end (SIGTERM); what was not committed is loaded by the next run.',
          ),
    );
  }

  private async executeKnown(flowRun: FlowRun): Promise<ExitCode> {
    const { ingestionId, runId } = flowRun.parameters;
    if (ingestionId === null)
      return this.finish('failed', 'The flow run has no parameter ingestion_id. Trigger ingestions through the API.');
    if (flowRun.isCrossed) return this.finish('cancelled', CROSSED);
    const order = await this.recorder.findOrder(ingestionId);
    if (order === null)
      return this.finish('failed', `Ingestion ${ingestionId} not found: its deployment is orphaned and can be removed`);
    const stopped = flowRun.scheduledByTimetable ? stoppedBecause(order.status, order.schedule) : null;
    if (stopped) return this.stopped(flowRun, stopped);
    await this.turn.untilDue(flowRun, this.stopping.signal);
    const run = await this.recorder.enter({
      ingestionId,
      flowRunId: flowRun.id,
      runId,
      scheduled: flowRun.scheduledByTimetable,
      plannedAt: flowRun.scheduledByTimetable ? flowRun.expectedStartAt : null,
      instead: flowRun.isInstead,
      ofItsRun: flowRun.isOfItsRun,
    });
    if (run.taken) return this.finish('cancelled', `Run ${run.id} is executed by another flow run.`);
    return this.entered(order, run, flowRun).catch((error: unknown) => this.unheard(run.id, flowRun, error));
  }

  private async entered(order: RunningOrder, run: Entered, flowRun: FlowRun): Promise<ExitCode> {
    if (run.status !== 'queued' && run.status !== 'running')
      return this.finish('cancelled', `Run ${run.id} was ended (${run.status}) before it began; nothing was loaded.`);
    const taken = await this.takeTurn(order.id, run, flowRun);
    if (taken.kind === 'over') return this.finish(taken.outcome, taken.why);
    if (taken.kind === 'given-back') return EXIT.reported;
    this.pulse.begin({ id: run.id, flowRunId: flowRun.id, executor: this.executor }, (order) => this.stop(order));
    if (!(await this.session.proposeRunning())) return this.refused(run.id);
    return this.load(order, run, flowRun);
  }

  /** It may have waited for its turn when the timetable was stopped. */
  private async stopped(flowRun: FlowRun, why: string): Promise<ExitCode> {
    await this.queue.leaveAs(flowRun.id, why);
    return this.finish('cancelled', why);
  }

  /** One that runs already was left behind by a process that is gone: whether it is, the lease says. */
  private async takeTurn(ingestionId: string, run: Entered, flowRun: FlowRun): Promise<Taken> {
    if (run.status === 'running') return { kind: 'load' };
    this.heedCancellation();
    return this.turn.take({ runId: run.id, ingestionId, flowRun, signal: this.stopping.signal });
  }

  private heedCancellation(): void {
    this.session.cancelled.addEventListener('abort', () => this.stopping.abort(wasCancelled()), { once: true });
  }

  private stop({ kind, because }: StopOrder): void {
    this.stopping.abort(new RunStopped(kind === 'cancelled' ? 'cancelled' : 'crashed', because));
  }

  /** Prefect did not accept RUNNING: nothing is loaded. */
  private async refused(runId: string): Promise<ExitCode> {
    const flowRun = await this.session.readPatiently();
    if (flowRun?.phase === 'crashed') {
      await this.givenUp(runId, flowRun);
      return EXIT.reported;
    }
    await this.recorder.dismiss(runId, 'cancelled', []);
    return flowRun?.phase === 'cancelling'
      ? this.finish('cancelled', 'Cancelled before it began; nothing was loaded.')
      : EXIT.reported;
  }

  /** This process does not begin, or the worker took it for dead before. What was promised to a person is then done by another flow run. */
  private async givenUp(runId: string, flowRun: FlowRun): Promise<void> {
    await this.pulse.end();
    await this.recorder.handBack(runId, flowRun.id);
  }

  /** Prefect is away for longer than we wait: how a run has ended it then hears from the reconciler, and no worker is to call it crashed. */
  private async unheard(runId: string, flowRun: FlowRun, error: unknown): Promise<ExitCode> {
    if (!(error instanceof OrchestrationUnavailable)) throw error;
    await this.givenUp(runId, flowRun);
    const status = (await this.recorder.stateOf(runId))?.status ?? null;
    if (status === null || status === 'queued' || status === 'running') throw error;
    process.stderr.write(`Run ${runId} has ended (${status}), which Prefect is told later: ${error.message}\n`);
    return EXIT.reported;
  }

  private async load(order: RunningOrder, run: Entered, flowRun: FlowRun): Promise<ExitCode> {
    const { session } = this;
    this.heedCancellation();
    const outcome = await this.orchestrator.runIngestion({
      order,
      runId: run.id,
      parameters: run.parameters,
      executor: this.executor,
      signal: this.stopping.signal,
      report: {
        log: (level, message) => session.log(level, message),
        progress: (percent, message) => void session.progress(percent, message),
      },
    });
    if (outcome === null) return EXIT.reported;
    if (outcome === 'held') return this.overtaken(run.id);
    await session.leaveMarkdown(`run-${run.id}`, markdownOf(order, flowRun, outcome));
    session.log(outcome.status === 'failed' ? 'error' : 'info', outcome.summary);
    return this.finish(outcome.status, outcome.summary);
  }

  /** Another run was faster to the lease. */
  private async overtaken(runId: string): Promise<ExitCode> {
    await this.pulse.end();
    const taken = await this.turn.waitOn(runId);
    return taken.kind === 'over' ? this.finish(taken.outcome, taken.why) : EXIT.reported;
  }

  private async finish(outcome: RunOutcome['status'], message: string): Promise<ExitCode> {
    await this.session.flush();
    await this.session.finish(outcome, message);
    return EXIT.reported;
  }
}

const ENDED: ReadonlySet<FlowRun['phase']> = new Set(['completed', 'failed', 'crashed', 'cancelled']);

const CROSSED =
  'It was started by one Sluice, of a deployment of another (see its tags); nothing was loaded. Is the control database of the first a copy? Give it a Prefect of its own.';

function wasCancelled(): RunStopped {
  return new RunStopped('cancelled', 'The run was cancelled; what was not committed was rolled back.');
}
