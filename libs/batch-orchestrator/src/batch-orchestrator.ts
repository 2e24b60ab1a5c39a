import { inspect } from 'node:util';
import { Inject, Injectable } from '@nestjs/common';
import {
  configuredSource,
  Destination,
  DestinationError,
  DuckDb,
  Fenced,
  Files,
  formatReaders,
  LoadError,
  type LoadSession,
} from '@sluice/connectors';
import { isDatabaseOutage } from '@sluice/database';
import { RunRecorder, type RunError } from '@sluice/ingestion';
import { Clock, CONFIG, type Config, counted } from '@sluice/kernel';
import { type AttemptRules, mayPass, pauseBefore } from './attempts';
import { ControlDatabaseAway } from './faults';
import { IngestionRun } from './ingestion-run';
import { isOneTransaction } from './one-transaction';
import { Loader } from './loading/loader';
import { type RunOutcome, type RunRequest, RunStopped } from './run';
import { TableSchema } from './schema/table-schema';
import { Tally, toRunError } from './tally';

/**
 * Executes one run of an ingestion. Called by the flow-runner alone, after Prefect accepted RUNNING.
 *
 * The order of things is what makes each row arrive once: the lease first, then the run row (queued -> running by compare-and-set), then
 * batches that commit rows and ledger together under the fence, then the mirror in the control database.
 */
@Injectable()
export class BatchOrchestrator {
  private readonly rules: AttemptRules;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly destination: Destination,
    private readonly recorder: RunRecorder,
    private readonly duckDb: DuckDb,
    private readonly clock: Clock,
  ) {
    this.rules = { most: config.SLUICE_RUN_ATTEMPTS, firstPauseMs: config.SLUICE_RUN_RETRY_MS, random: Math.random };
  }

  /**
   * Never raises for what can happen to a run: the outcome says it. `null`: the run belongs to another process by now, which will report
   * its end. `held`: another run has the lease, and this one, which is not to be skipped (`overlap_policy`), is queued still.
   * Raises only when the control database cannot be written.
   */
  async runIngestion(request: RunRequest): Promise<RunOutcome | 'held' | null> {
    const tally = new Tally();
    const beginning = this.begin(request, false);
    // Loading its 60 MB goes by while the destination lets us in; a process that is turned away ends, and it with it.
    if (request.order.format.type === 'parquet') this.duckDb.begin();
    const began = await beginning;
    if (began.fault !== null) return this.failBeforeStart(request, tally, began.fault);
    if (began.session === null) return this.skip(request, tally);
    return this.claimed(request, tally, began.session);
  }

  /** The run that loads for this ingestion now; `null`: none. Errors: `DestinationError` within some 10 s. */
  busyWith(ingestionId: string): Promise<string | null> {
    return this.destination.busyWith(ingestionId);
  }

  /** The lease is kept until the end of the run is written: whoever gets it later may take a `running` row for one left behind. */
  private async claimed(request: RunRequest, tally: Tally, session: LoadSession): Promise<RunOutcome | null> {
    const held: Held = { session };
    try {
      if (!(await this.claim(request, tally))) return await this.notMine(request, tally);
      return await this.end(request, tally, await this.attempts(request, tally, held));
    } finally {
      await held.session?.close();
      await this.duckDb.close();
    }
  }

  /** A row that is running already belongs to a process which is gone: the lease in our hands proves it. */
  private async claim({ runId, executor }: RunRequest, tally: Tally): Promise<boolean> {
    if (await this.recorder.start(runId, executor)) return true;
    if (!(await this.recorder.takeOver(runId, executor))) return false;
    tally.goOnFrom(await this.recorder.loadedBy(runId));
    return true;
  }

  /** The lease, with patience for a destination that is away. Both `null`: another run has it and lives. */
  private async begin(request: RunRequest, again: boolean): Promise<{ session: LoadSession | null; fault: unknown }> {
    for (let next = 2; ; next++) {
      try {
        return { session: await this.acquired(request, again), fault: null };
      } catch (error) {
        const fault = await this.pausedBefore(next, request, error);
        if (fault !== null) return { session: null, fault };
      }
    }
  }

  /** A connection that broke without a word still holds the lease of this very run, until the server notices or the lease is over. */
  private async acquired({ order, runId }: RunRequest, again: boolean): Promise<LoadSession | null> {
    const session = await this.destination.acquire(order.id, runId);
    if (session !== null || !again || (await this.destination.holder(order.id)) !== runId) return session;
    throw new DestinationError('connectivity', 'The broken connection of this run still holds its lease.', 'later');
  }

  /** What stopped the run in the end, or `null`. What may pass is tried again under a new lease: the ledger knows what is in. */
  private async attempts(request: RunRequest, tally: Tally, held: Held): Promise<unknown> {
    for (let next = 2; held.session !== null; next++) {
      const error = await this.attempt(request, held.session, tally);
      if (error === null) return null;
      const fault = await this.pausedBefore(next, request, error);
      if (fault !== null) return fault;
      await held.session.close();
      held.session = null;
      // Its lease may have been taken away together with the run: it must not come back with a new one.
      if (!(await this.recorder.keep(request.runId, request.executor))) return new Fenced();
      const again = await this.begin(request, true);
      if (again.fault !== null) return again.fault;
      held.session = again.session;
    }
    return new Fenced();
  }

  /** `null` after the pause; else what ends the run. */
  private async pausedBefore(next: number, request: RunRequest, error: unknown): Promise<unknown> {
    if (request.signal.aborted) return request.signal.reason;
    if (!mayPass(error) || next > this.rules.most) return error;
    const pause = pauseBefore(next, this.rules);
    const seconds = (pause / 1000).toFixed(1);
    request.report.log('warning', `${error.message} Attempt ${next} of ${this.rules.most} follows in ${seconds} s.`);
    return this.clock.sleep(pause, request.signal).then(
      () => null,
      () => request.signal.reason as unknown,
    );
  }

  /** What stopped this attempt, or `null`. */
  private async attempt(request: RunRequest, session: LoadSession, tally: Tally): Promise<unknown> {
    const signal = AbortSignal.any([request.signal, session.lost]);
    signal.addEventListener('abort', () => void session.interrupt(), { once: true });
    try {
      await this.compose(request, session, tally, signal).execute();
      return null;
    } catch (error) {
      return signal.aborted ? signal.reason : namedFault(error);
    }
  }

  private compose(request: RunRequest, session: LoadSession, tally: Tally, signal: AbortSignal): IngestionRun {
    const { order } = request;
    const { recorder, config } = this;
    const limits = {
      recordBytes: config.SLUICE_MAX_RECORD_BYTES,
      columns: config.SLUICE_MAX_COLUMNS,
      depth: config.SLUICE_MAX_DEPTH,
    };
    const source = configuredSource(order.source, config);
    const files = new Files(source, formatReaders(this.duckDb, limits), order.format);
    const schema = new TableSchema(order, session, recorder, files, isOneTransaction(request));
    const { quality } = order;
    const loader = new Loader({ session, files, schema, quality, tempDir: config.SLUICE_TEMP_DIR, signal });
    const budget = { files: config.SLUICE_BATCH_FILES, bytes: config.SLUICE_BATCH_BYTES };
    return new IngestionRun(request, { session, recorder, files, schema, loader, tally, budget, signal });
  }

  private async end(request: RunRequest, tally: Tally, fault: unknown): Promise<RunOutcome | null> {
    const status = statusOf(fault, tally);
    if (fault !== null) tally.fault(toRunError(fault, null));
    const result = outcome(status, summaryOf(fault, tally), tally);
    const { metrics, errors } = result;
    const mine = await this.recorder.end(request.runId, request.executor, { status, metrics, errors });
    return mine ? result : this.notMine(request, tally);
  }

  /**
   * The row did not move as this process wanted. Gone with its ingestion, or ended before it ever started: then it is this process that
   * tells Prefect. Else another process executes the same flow run, or has, and Prefect hears it from that one.
   */
  private async notMine({ runId }: RunRequest, tally: Tally): Promise<RunOutcome | null> {
    const state = await this.recorder.stateOf(runId);
    if (state === null) return outcome('cancelled', 'The ingestion was deleted while the run was active.', tally);
    const ended = state.status !== 'queued' && state.status !== 'running';
    const told = state.status === 'crashed' ? 'crashed' : 'cancelled';
    return ended && state.startedAt === null
      ? outcome(told, `The run was ended (${state.status}) before it began; nothing was loaded.`, tally)
      : null;
  }

  /** The lease may be held for this very run: then the flow run was started twice, and the other process executes it. */
  private async skip(request: RunRequest, tally: Tally): Promise<RunOutcome | 'held' | null> {
    const { order, runId } = request;
    if ((await this.destination.holder(order.id)) === runId) return null;
    if (order.overlap_policy !== 'skip' && (await this.recorder.stateOf(runId))?.status === 'queued') return 'held';
    const mine = await this.recorder.dismiss(runId, 'skipped', []);
    const summary = 'Another run of this ingestion is active; this one did nothing.';
    return mine ? outcome('skipped', summary, tally) : this.notMine(request, tally);
  }

  private async failBeforeStart(request: RunRequest, tally: Tally, error: unknown): Promise<RunOutcome | null> {
    const fault: RunError = toRunError(error, null);
    tally.fault(fault);
    const mine = await this.recorder.dismiss(request.runId, 'failed', [fault]);
    return mine ? outcome('failed', fault.message, tally) : this.notMine(request, tally);
  }
}

/** The destination's faults have names of their own already. */
function namedFault(error: unknown): unknown {
  const ofControl = error instanceof Error && !(error instanceof LoadError) && isDatabaseOutage(error);
  return ofControl ? new ControlDatabaseAway(error) : error;
}

/** The lease this process has now, if any. */
interface Held {
  session: LoadSession | null;
}

function statusOf(fault: unknown, { metrics }: Tally): 'success' | 'partial' | 'failed' | 'cancelled' | 'crashed' {
  if (fault instanceof RunStopped) return fault.outcome;
  if (fault !== null) return 'failed';
  if (metrics.files_failed === 0) return 'success';
  return metrics.files_processed === 0 ? 'failed' : 'partial';
}

function summaryOf(fault: unknown, { metrics }: Tally): string {
  if (fault instanceof RunStopped || fault instanceof LoadError) return fault.message;
  if (fault !== null) return `The run failed: ${fault instanceof Error ? fault.message : inspect(fault)}`;
  const failed = metrics.files_failed === 0 ? '' : `, ${counted(metrics.files_failed, 'file')} failed`;
  return metrics.files_processed === 0 && failed === ''
    ? 'Nothing new to load.'
    : `${counted(metrics.rows_ingested, 'row')} of ${counted(metrics.files_processed, 'file')} loaded${failed}.`;
}

function outcome(status: RunOutcome['status'], summary: string, tally: Tally): RunOutcome {
  return { status, summary, metrics: tally.snapshot(), errors: tally.errors, files: tally.files };
}
