import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { BatchOrchestrator, type RunOutcome, RunStopped } from '@sluice/batch-orchestrator';
import { RunRecorder, type RunningOrder, type RunParameters } from '@sluice/ingestion';
import { type FlowRun, FlowRunSession } from '@sluice/orchestration-gateway';
import { EXIT, type ExitCode } from './exit-codes';
import { markdownOf } from './report';

/** One flow run of Prefect, from its first reading to its last state. This is the "flow" of the system. */
@Injectable()
export class FlowRunExecution {
  private readonly stopping = new AbortController();

  constructor(
    private readonly session: FlowRunSession,
    private readonly recorder: RunRecorder,
    private readonly orchestrator: BatchOrchestrator,
  ) {}

  async execute(): Promise<ExitCode> {
    const flowRun = await this.session.readPatiently();
    if (flowRun === null) return EXIT.unreported;
    try {
      return await this.executeKnown(flowRun);
    } finally {
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
    const order = await this.recorder.findOrder(ingestionId);
    if (order === null)
      return this.finish('failed', `Ingestion ${ingestionId} not found: its deployment is orphaned and can be removed`);
    if (['paused', 'error'].includes(order.status) && flowRun.scheduledByTimetable) return this.finish('cancelled', 'paused');
    const run = await this.recorder.enter({
      ingestionId,
      flowRunId: flowRun.id,
      runId,
      scheduled: flowRun.scheduledByTimetable,
    });
    if (run.status !== 'queued' && run.status !== 'running')
      return this.finish('cancelled', `Run ${run.id} was ended (${run.status}) before it began; nothing was loaded.`);
    if (!(await this.session.proposeRunning())) return this.refused(run.id);
    return this.load(order, run, flowRun);
  }

  /** Prefect did not accept RUNNING: nothing is loaded. */
  private async refused(runId: string): Promise<ExitCode> {
    await this.recorder.dismiss(runId, 'cancelled', []);
    const flowRun = await this.session.readPatiently();
    return flowRun?.phase === 'cancelling'
      ? this.finish('cancelled', 'Cancelled before it began; nothing was loaded.')
      : EXIT.reported;
  }

  private async load(order: RunningOrder, run: QueuedRun, flowRun: FlowRun): Promise<ExitCode> {
    const { session } = this;
    session.cancelled.addEventListener('abort', () => this.stopping.abort(wasCancelled()), { once: true });
    const outcome = await this.orchestrator.runIngestion({
      order,
      runId: run.id,
      parameters: run.parameters,
      executor: randomUUID(),
      signal: this.stopping.signal,
      report: {
        log: (level, message) => session.log(level, message),
        progress: (percent, message) => void session.progress(percent, message),
      },
    });
    if (outcome === null) return EXIT.reported;
    await session.leaveMarkdown(`run-${run.id}`, markdownOf(order, flowRun, outcome));
    session.log(outcome.status === 'failed' ? 'error' : 'info', outcome.summary);
    return this.finish(outcome.status, outcome.summary);
  }

  private async finish(outcome: RunOutcome['status'], message: string): Promise<ExitCode> {
    await this.session.flush();
    await this.session.finish(outcome, message);
    return EXIT.reported;
  }
}

interface QueuedRun {
  id: string;
  parameters: RunParameters;
}

function wasCancelled(): RunStopped {
  return new RunStopped('cancelled', 'The run was cancelled; what was not committed was rolled back.');
}
