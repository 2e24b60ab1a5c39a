import { counted } from '@sluice/kernel';
import { BadFile, type LedgerEntry, type ListingCounts, type TouchedEntry } from '@sluice/connectors';
import type { FileRecord, RunMetrics } from '@sluice/ingestion';
import type { RunParts } from './run-parts';
import type { BatchResult, FailedEntry } from './loading/loader';
import type { RunRequest } from './run';
import { holdBackOf } from './selection';
import { failedRecord, loadedRecord, toRunError } from './tally';
import { pages } from './work';

const PAGE = 500;
/** Between two reports within one transaction. */
const REPORT_MS = 2_000;

/** What has become of files: the mirror in the control database, the failures, the log and the progress of a run. */
export class FileHistory {
  private lastTold = 0;

  constructor(
    private readonly request: RunRequest,
    private readonly parts: Pick<RunParts, 'session' | 'recorder' | 'files' | 'tally' | 'signal'>,
  ) {}

  /** A run that crashed between its commit and its mirror left files the control database does not know, or that are no longer in. */
  async catchUp(): Promise<void> {
    await this.catchUpWithLoads();
    const [lowest] = await this.parts.session.ledgerSince(null, 1);
    if (lowest) await this.parts.recorder.forgetFilesBelow(this.request.order.id, lowest.loadId);
  }

  /**
   * Proves known files with another fingerprint unchanged, or tells that they changed: their paths (some of them). The same content under a new
   * time stamp is remembered.
   */
  async settleTouched(): Promise<string[]> {
    const changed: string[] = [];
    for await (const entry of pages((after) => this.parts.session.touched(after, PAGE))) {
      this.parts.signal.throwIfAborted();
      if ((await this.settle(entry)) && changed.length < PAGE) changed.push(entry.path);
    }
    return changed;
  }

  /** What a committed batch brought, and the files that failed beside it. */
  async record({ loaded, notes, failed }: BatchResult): Promise<void> {
    const { tally } = this.parts;
    const records = loaded.map((file) => loadedRecord(file, notes.get(file.entry.path) ?? null));
    const failures = await this.failures(failed);
    tally.loaded(records);
    for (const record of records) if (record.rejected > 0) this.warn(record);
    for (const record of failures) this.fail(record);
    await this.mirror([...records, ...failures]);
  }

  /** The ledger is now what this run has loaded, and nothing else. */
  async forgetAllOthers(): Promise<void> {
    await this.parts.recorder.forgetFilesNotOf(this.request.order.id, this.request.runId);
  }

  async tell(counts: ListingCounts): Promise<void> {
    const metrics = this.parts.tally.snapshot();
    this.report(metrics, counts);
    await this.parts.recorder.progress(this.request.runId, this.request.executor, metrics);
  }

  /** While one transaction takes all, nothing of it counts yet; but a person wants to see that it goes on. */
  tellUnderWay({ loaded }: BatchResult, counts: ListingCounts | null): void {
    if (counts === null || performance.now() - this.lastTold < REPORT_MS) return;
    this.lastTold = performance.now();
    const metrics = this.parts.tally.snapshot();
    for (const { rows, entry } of loaded) {
      metrics.files_processed++;
      metrics.rows_ingested += rows;
      metrics.bytes_read += entry.bytes;
    }
    this.report(metrics, counts);
  }

  private async catchUpWithLoads(): Promise<void> {
    const { session, recorder } = this.parts;
    for (let after = await recorder.mirroredUpTo(this.request.order.id); ;) {
      const missing = await session.ledgerSince(after, PAGE);
      if (missing.length === 0) return;
      after = missing.at(-1)?.loadId ?? null;
      for (const entry of missing) await this.catchUpWith(entry);
      this.request.report.log('info', `Found in the ledger: ${counted(missing.length, 'file')} of an interrupted run.`);
    }
  }

  private async catchUpWith({ runId, loadId, path, version, rows, rejected, bytes }: LedgerEntry): Promise<void> {
    const { recorder, tally } = this.parts;
    const mirrored = { first_error: null, load_id: loadId, attempts: 0, next_attempt_at: null };
    const record: FileRecord = { path, version, status: 'loaded', rows, rejected, bytes, ...mirrored };
    await recorder.mirrorFiles(this.request.order.id, runId, [record]);
    // The connection broke when the server had committed, and this run has begun anew.
    if (runId === this.request.runId) tally.loaded([record]);
  }

  private async settle(entry: TouchedEntry): Promise<boolean> {
    try {
      const { file } = await this.parts.files.open(entry);
      const version = await file.version().finally(() => file.close());
      if (version === entry.version) await this.parts.session.confirmUnchanged(entry);
      else if (this.request.order.changed_files === 'skip' && !this.replacesAll)
        await this.notice(changedRecord(entry, version));
      return version !== entry.version;
    } catch (error) {
      if (!(error instanceof BadFile)) throw error;
      await this.notice(failedRecord(entry, error, null));
      return this.request.order.changed_files === 'reload';
    }
  }

  /** Whatever has changed is loaded anew, with all the rest. */
  private get replacesAll(): boolean {
    const { parameters, order } = this.request;
    return (
      order.destination.write_mode === 'overwrite' || (parameters.kind === 'refresh' && parameters.scope === 'full')
    );
  }

  /** What may pass by itself (a full disk, a file still written to) is no failure of the file: the next run tries again. */
  private async failures(failed: readonly FailedEntry[]): Promise<FileRecord[]> {
    const counted = failed.filter(({ error }) => error.retry === 'never');
    const files = counted.map(({ entry, error }) => ({ entry, message: error.message }));
    const { settings } = holdBackOf(this.request.order, this.request.parameters);
    const counts = files.length === 0 ? [] : await this.parts.session.recordFailures(files, settings);
    const states = new Map(counts.map((state) => [state.path, state]));
    return failed.map(({ entry, error }) => failedRecord(entry, error, states.get(entry.path) ?? null));
  }

  private async notice(record: FileRecord): Promise<void> {
    this.parts.tally.noticed(record);
    this.warn(record);
    if (record.status === 'changed') await this.mirror([record]);
  }

  private warn(record: FileRecord): void {
    this.request.report.log('warning', record.first_error?.message ?? '');
  }

  private fail(record: FileRecord): void {
    this.parts.tally.failed(record);
    const then = record.status === 'quarantined' ? ` It has failed ${record.attempts} times and is quarantined.` : '';
    this.request.report.log('error', `${record.path}: ${record.first_error?.message ?? ''}${then}`);
  }

  private async mirror(records: readonly FileRecord[]): Promise<void> {
    if (records.length > 0) await this.parts.recorder.mirrorFiles(this.request.order.id, this.request.runId, records);
  }

  private report(metrics: RunMetrics, { fresh, freshBytes }: ListingCounts): void {
    const percent = freshBytes === 0 ? 100 : Math.min(100, Math.floor((100 * metrics.bytes_read) / freshBytes));
    const message = `${metrics.files_processed} of ${counted(Math.max(fresh, metrics.files_processed), 'file')}, ${counted(metrics.rows_ingested, 'row')}, ${mib(metrics.bytes_read)}`;
    this.request.report.progress(percent, message);
    this.request.report.log('info', message);
  }
}

function changedRecord(entry: TouchedEntry, version: string): FileRecord {
  const { path, bytes, rows, loadId } = entry;
  const message = `${path} changed after it was loaded; its new content was left alone. Give new content a new name, or set changed_files to reload.`;
  const first_error = toRunError(new BadFile('changed', message), path);
  const mirrored = { first_error, load_id: loadId, attempts: 0, next_attempt_at: null };
  return { path, version, status: 'changed', rows, rejected: 0, bytes, ...mirrored };
}

export function mib(bytes: number): string {
  return `${(bytes / 1048576).toFixed(1)} MiB`;
}
