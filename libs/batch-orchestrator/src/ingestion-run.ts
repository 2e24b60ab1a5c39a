import { BadFile, type LoadSession, type SourceEntry, type TouchedEntry } from '@sluice/connectors';
import type { FileRecord, RunRecorder } from '@sluice/ingestion';
import type { Files } from './files';
import type { BatchResult, Loader } from './loader';
import type { RunRequest } from './run';
import type { TableSchema } from './table-schema';
import { failedRecord, type Tally, toRunError } from './tally';

const PAGE = 500;

export interface BatchBudget {
  files: number;
  bytes: number;
}

interface Parts {
  session: LoadSession;
  recorder: RunRecorder;
  files: Files;
  schema: TableSchema;
  loader: Loader;
  tally: Tally;
  budget: BatchBudget;
}

/** One run under its lease: discover, plan, load, commit. */
export class IngestionRun {
  private freshBytes = 0;
  private freshFiles = 0;

  constructor(
    private readonly request: RunRequest,
    private readonly parts: Parts,
    private readonly signal: AbortSignal,
  ) {}

  async execute(): Promise<void> {
    await this.catchUpMirror();
    await this.discover();
    await this.settleTouched();
    if (this.freshFiles === 0) {
      this.request.report.log('info', 'Nothing new to load.');
      return;
    }
    await this.parts.schema.prepare();
    await this.loadAll();
  }

  /** A run that crashed between its commit and its mirror left files the control database does not know. */
  private async catchUpMirror(): Promise<void> {
    const { session, recorder } = this.parts;
    const { id } = this.request.order;
    for (let after = await recorder.mirroredUpTo(id); ;) {
      const missing = await session.ledgerSince(after, PAGE);
      if (missing.length === 0) return;
      after = missing.at(-1)?.loadId ?? null;
      for (const { runId, loadId, path, version, rows, bytes } of missing)
        await recorder.mirrorFiles(id, runId, [
          { path, version, status: 'loaded', rows, rejected: 0, bytes, first_error: null, load_id: loadId },
        ]);
      this.request.report.log('info', `${missing.length} files of an interrupted run were found in the ledger.`);
    }
  }

  private async discover(): Promise<void> {
    const counts = await this.parts.session.stage(this.parts.files.list(this.signal));
    this.parts.tally.metrics.files_discovered = counts.listed;
    this.freshFiles = counts.fresh;
    this.freshBytes = counts.freshBytes;
    this.request.report.log(
      'info',
      `${counts.listed} files found, ${counts.fresh} of them new (${mib(counts.freshBytes)}).`,
    );
  }

  private async settleTouched(): Promise<void> {
    for await (const entry of pages((after) => this.parts.session.touched(after, PAGE))) {
      this.signal.throwIfAborted();
      await this.settle(entry);
    }
  }

  /** The same content under a new time stamp is remembered; new content is reported and left alone. */
  private async settle(entry: TouchedEntry): Promise<void> {
    try {
      const { file } = await this.parts.files.open(entry);
      const version = await file.version();
      if (version === entry.version) await this.parts.session.confirmUnchanged(entry);
      else await this.notice(changedRecord(entry, version));
    } catch (error) {
      if (!(error instanceof BadFile)) throw error;
      await this.notice(failedRecord(entry, error));
    }
  }

  private async notice(record: FileRecord): Promise<void> {
    this.parts.tally.noticed(record);
    this.request.report.log('warning', record.first_error?.message ?? '');
    if (record.status === 'changed') await this.mirror([record]);
  }

  private async loadAll(): Promise<void> {
    let after: string | null = null;
    for (;;) {
      const entries = await this.nextBatch(after);
      if (entries.length === 0) return;
      const result = await this.parts.loader.load(entries);
      after = (await this.finish(result, entries)) ?? after;
    }
  }

  private async nextBatch(after: string | null): Promise<SourceEntry[]> {
    const { budget, session } = this.parts;
    const page = await session.fresh(after, budget.files);
    let bytes = 0;
    return page.filter((entry, index) => (bytes += entry.bytes) <= budget.bytes || index === 0);
  }

  /** Records what a batch brought and returns the path to go on after. */
  private async finish(result: BatchResult, entries: readonly SourceEntry[]): Promise<string | null> {
    const { tally } = this.parts;
    tally.loaded(result.loaded);
    for (const record of result.failed) this.fail(record);
    await this.mirror([...result.loaded, ...result.failed]);
    const stop = result.stoppedAt;
    if (stop !== null && !(await this.evolved(stop.entry, stop.unknown))) return stop.entry.path;
    await this.tell();
    const done = stop === null ? entries : entries.slice(0, entries.indexOf(stop.entry));
    return done.at(-1)?.path ?? null;
  }

  private async evolved(entry: SourceEntry, unknown: readonly string[]): Promise<boolean> {
    try {
      await this.parts.schema.evolve(entry, unknown);
      this.request.report.log('info', `${entry.path} brought new columns: ${unknown.join(', ')}.`);
      return true;
    } catch (error) {
      if (!(error instanceof BadFile)) throw error;
      const record = failedRecord(entry, error);
      this.fail(record);
      await this.mirror([record]);
      return false;
    }
  }

  private fail(record: FileRecord): void {
    this.parts.tally.failed(record);
    this.request.report.log('error', `${record.path}: ${record.first_error?.message ?? ''}`);
  }

  private async mirror(records: readonly FileRecord[]): Promise<void> {
    if (records.length > 0) await this.parts.recorder.mirrorFiles(this.request.order.id, this.request.runId, records);
  }

  private async tell(): Promise<void> {
    const { recorder, tally } = this.parts;
    const metrics = tally.snapshot();
    const percent =
      this.freshBytes === 0 ? 100 : Math.min(100, Math.floor((100 * metrics.bytes_read) / this.freshBytes));
    const message = `${metrics.files_processed} of ${this.freshFiles} files, ${metrics.rows_ingested} rows, ${mib(metrics.bytes_read)}`;
    this.request.report.progress(percent, message);
    this.request.report.log('info', message);
    await recorder.progress(this.request.runId, this.request.executor, metrics);
  }
}

function changedRecord(entry: TouchedEntry, version: string): FileRecord {
  const { path, bytes, rows, loadId } = entry;
  const message = `${path} changed after it was loaded; its new content was left alone. Give new content a new name.`;
  const first_error = toRunError(new BadFile('changed', message), path);
  return { path, version, status: 'changed', rows, rejected: 0, bytes, first_error, load_id: loadId };
}

async function* pages<T extends { path: string }>(page: (after: string | null) => Promise<T[]>): AsyncGenerator<T> {
  let after: string | null = null;
  for (;;) {
    const items: T[] = await page(after);
    yield* items;
    after = items.at(-1)?.path ?? null;
    if (after === null) return;
  }
}

function mib(bytes: number): string {
  return `${(bytes / 1048576).toFixed(1)} MiB`;
}
