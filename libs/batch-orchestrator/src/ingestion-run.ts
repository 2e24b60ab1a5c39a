import { counted } from '@sluice/kernel';
import {
  BadFile,
  type Batch,
  DestinationError,
  type HoldBack,
  type ListingCounts,
  type LoadedFile,
  RowRefused,
  type SourceEntry,
} from '@sluice/connectors';
import { Drift, FilesChanged, NothingToBuild, RunAborted } from './faults';
import { FileHistory, mib } from './file-history';
import { type BatchResult, emptyResult } from './loading/loader';
import type { WorkItem } from './loading/file-load';
import { QualityGates } from './quality-gates';
import { isOneTransaction, rebuilds } from './one-transaction';
import type { RunRequest } from './run';
import type { RunParts } from './run-parts';
import { holdBackOf, selected } from './selection';
import { allListed, allWork, newWork, WorkQueue } from './work';

/** Files looked at before a table is made. */
const SAMPLE_FILES = 20;

/** One run under its lease: discover, plan, load, commit. */
export class IngestionRun {
  private readonly history: FileHistory;
  private readonly gates: QualityGates;
  private counts: ListingCounts | null = null;
  /** Files whose values the schema could not follow: their bad rows are left out. */
  private readonly lenient = new Set<string>();
  /** Files given up, when the transaction for all begins anew. */
  private readonly given = new Set<string>();
  /** Drifts that the schema has followed once. */
  private readonly followed = new Set<string>();

  constructor(
    private readonly request: RunRequest,
    private readonly parts: RunParts,
  ) {
    this.history = new FileHistory(request, parts);
    this.gates = new QualityGates(request.order, parts.recorder);
  }

  async execute(): Promise<void> {
    await this.history.catchUp();
    const counts = await this.discover();
    const changed = await this.history.settleTouched();
    if (changed.length > 0 && this.request.order.changed_files === 'fail')
      throw new FilesChanged(changed.slice(0, 10), changed.length > 10);
    const built = await this.isBuilt();
    if (built && this.takesAll) await this.parts.schema.makeUp(allListed(this.parts.session));
    if (built || !this.hasWork(counts, changed.length)) {
      this.request.report.log('info', 'Nothing new to load.');
      return;
    }
    await this.parts.schema.prepare(await this.sample(), this.takesAll ? allListed(this.parts.session) : null);
    if (isOneTransaction(this.request)) await this.asOne(counts);
    else await this.inBatches(counts);
  }

  private get rebuilds(): boolean {
    return rebuilds(this.request);
  }

  /** Only the history of what was never loaded stays as it is. */
  private get keepsHistory(): boolean {
    const { parameters } = this.request;
    return parameters.kind === 'refresh' && parameters.scope === 'new_only';
  }

  /** The table is built anew from all files. */
  private get takesAll(): boolean {
    return this.rebuilds && !this.keepsHistory;
  }

  private get reloads(): boolean {
    return this.request.order.changed_files === 'reload';
  }

  private async discover(): Promise<ListingCounts> {
    const { session, files, signal, tally } = this.parts;
    const { order, parameters } = this.request;
    const listing = files.list(signal);
    // What a table becomes must not depend on what a run was asked to look at.
    const wanted = order.destination.write_mode === 'overwrite' ? listing : selected(listing, parameters);
    const counts = await session.stage(wanted, this.holdBack(), order.source.options.verify);
    tally.madeDue = true;
    tally.metrics.files_discovered = counts.listed;
    tally.metrics.files_held = counts.held;
    this.counts = counts;
    this.tellDiscovered(counts);
    return counts;
  }

  /** What is built anew is built from all files in each attempt. */
  private holdBack(): HoldBack {
    const holdBack = holdBackOf(this.request.order, this.request.parameters);
    if (this.rebuilds) return { ...holdBack, retry: 'all' };
    return this.parts.tally.madeDue ? { ...holdBack, retry: null } : holdBack;
  }

  private tellDiscovered({ listed, fresh, freshBytes, held }: ListingCounts): void {
    const { report } = this.request;
    report.log('info', `${counted(listed, 'file')} found, ${fresh} new (${mib(freshBytes)}).`);
    if (held > 0)
      report.log(
        'warning',
        `Held back because of earlier failures: ${counted(held, 'file')}, each until its next attempt, until it changes, or until it is retried by hand.`,
      );
  }

  private hasWork({ fresh, vanished, listed }: ListingCounts, changed: number): boolean {
    const { order } = this.request;
    if (this.rebuilds) this.assertBuildable(listed, vanished, fresh);
    if (this.request.parameters.kind === 'refresh') return true;
    if (order.destination.write_mode !== 'overwrite') return fresh > 0 || (this.reloads && changed > 0);
    return fresh > 0 || vanished > 0 || changed > 0;
  }

  /** An empty folder is more often a mount that is away than a wish for an empty table. */
  private assertBuildable(listed: number, vanished: number, fresh: number): void {
    const { order, parameters } = this.request;
    const { file_pattern } = order.source;
    if (listed === 0 && (vanished > 0 || parameters.kind === 'refresh'))
      throw new NothingToBuild(`No file matches ${file_pattern}`);
    if (this.keepsHistory && fresh === 0)
      throw new NothingToBuild(`Every file that matches ${file_pattern} was loaded before`);
  }

  /** The answer to the commit was lost, or its process: what is built from new files only must not be built again, from none. */
  private async isBuilt(): Promise<boolean> {
    return this.request.parameters.kind === 'refresh' && (await this.parts.session.hasCommitted());
  }

  private async sample() {
    const { session } = this.parts;
    const fresh = await session.fresh(null, SAMPLE_FILES);
    return fresh.length > 0 ? fresh : session.listed(null, SAMPLE_FILES);
  }

  private work(): AsyncGenerator<WorkItem> {
    const { session } = this.parts;
    return this.takesAll ? allWork(session) : newWork(session, this.reloads && !this.rebuilds);
  }

  /** Each batch commits by itself; a file that fails is passed over. */
  private async inBatches(counts: ListingCounts): Promise<void> {
    const queue = new WorkQueue(this.work(), this.parts.budget);
    for (;;) {
      this.parts.signal.throwIfAborted();
      const batch = await queue.next();
      if (batch.length === 0) return;
      const results = await this.parts.loader.load(batch.map((item) => this.asKnown(item)));
      for (const result of results) await this.history.record(result);
      const stop = results.at(-1)?.stoppedAt ?? null;
      if (stop !== null) {
        const rest = batch.slice(batch.findIndex(({ entry }) => entry.path === stop.item.entry.path) + 1);
        const again = await this.follow(stop.item, stop.drift);
        queue.putBack(again ? [stop.item, ...rest] : rest);
      }
      await this.history.tell(counts);
    }
  }

  /** One transaction for the whole run: all of it is in, or nothing. When the schema must change it begins anew. */
  private async asOne(counts: ListingCounts): Promise<void> {
    for (;;) {
      this.parts.signal.throwIfAborted();
      const result = emptyResult();
      try {
        await this.commitAsOne(result);
        await this.parts.schema.renewed();
        await this.history.record(result);
        if (this.takesAll) await this.history.forgetAllOthers();
        await this.history.tell(counts);
        return;
      } catch (error) {
        const stop = result.stoppedAt;
        if (stop !== null && error instanceof Drift) await this.follow(stop.item, stop.drift);
        else if (!(error instanceof RowRefused) || !(await this.leavesOut(error, result))) throw asFault(error);
      }
    }
  }

  /** Rows refused together, or their files, are left out when the transaction begins anew; false: nobody knows which. */
  private async leavesOut(refused: RowRefused, { loaded }: BatchResult): Promise<boolean> {
    const failed = await this.parts.loader.blame(refused, loaded);
    for (const { entry, error } of failed ?? []) await this.giveUp(entry, error);
    return failed !== null;
  }

  private commitAsOne(result: BatchResult): Promise<void> {
    const { session, schema } = this.parts;
    const work = async (batch: Batch): Promise<LoadedFile[]> => {
      for await (const item of this.work())
        if (!this.given.has(item.entry.path)) await this.loadAsOne(batch, this.asKnown(item), result);
      const rows = result.loaded.reduce((sum, file) => sum + file.rows, 0);
      if (result.loaded.length > 0 || this.rebuilds) await this.gates.assertKept(rows);
      return result.loaded;
    };
    if (!this.rebuilds) return session.batch(schema.write, work);
    const history = this.keepsHistory ? 'keep' : 'replace';
    return session.rebuild({ ...schema.write, history, retypings: schema.retypings }, work);
  }

  private async loadAsOne(batch: Batch, item: WorkItem, result: BatchResult): Promise<void> {
    this.parts.signal.throwIfAborted();
    try {
      const { file, note } = await this.parts.loader.loadInto(batch, item);
      result.loaded.push(file);
      if (note !== null) result.notes.set(item.entry.path, note);
    } catch (error) {
      if (error instanceof Drift) result.stoppedAt = { item, drift: error };
      if (!(error instanceof BadFile)) throw error;
      const because = this.wholeBecause(error);
      if (because !== null) throw new RunAborted(item.entry.path, error, because);
      result.failed.push({ entry: item.entry, error });
    }
    this.history.tellUnderWay(result, this.counts);
  }

  /** Why one bad file is the end of the run; `null`: it is not. */
  private wholeBecause({ type }: BadFile): string | null {
    if (this.request.order.on_schema_change === 'fail' && type === 'schema_mismatch')
      return 'on_schema_change is "fail"';
    if (this.request.order.quality.on_error === 'abort_run') return 'quality.on_error is "abort_run"';
    return this.rebuilds ? 'the table must be whole and the old one stays as it is until it is' : null;
  }

  /** True: the file can be tried again. False: it has failed and that is recorded. */
  private async follow(item: WorkItem, drift: Drift): Promise<boolean> {
    try {
      this.assertNew(item.entry.path, drift);
      this.request.report.log('info', await this.parts.schema.evolve(item.entry, drift));
      return true;
    } catch (error) {
      if (!(error instanceof BadFile)) throw error;
      return this.cannotFollow(item, drift, error);
    }
  }

  /** A change that did not help must not be made for ever. */
  private assertNew(path: string, drift: Drift): void {
    const what = JSON.stringify([path, drift.unknown, drift.unfit, drift.missing, drift.fault?.message]);
    if (this.followed.has(what))
      throw (
        drift.fault ??
        new BadFile(
          'schema_mismatch',
          `${path} still differs from the table after the schema was changed for it. Look at the constraints of the table.`,
        )
      );
    this.followed.add(what);
  }

  /** Its bad rows are left out where the quality rules allow it; else the file has failed, and with it perhaps the run. */
  private async cannotFollow({ entry }: WorkItem, drift: Drift, error: BadFile): Promise<boolean> {
    const mayLeaveOut = this.parts.schema.plan(true).badRows === 'reject' && drift.fault !== null;
    if (mayLeaveOut && !this.lenient.has(entry.path)) {
      this.lenient.add(entry.path);
      return true;
    }
    await this.giveUp(entry, error);
    return false;
  }

  private async giveUp(entry: SourceEntry, error: BadFile): Promise<void> {
    const because = this.wholeBecause(error);
    if (because !== null) throw new RunAborted(entry.path, error, because);
    this.given.add(entry.path);
    await this.history.record({ ...emptyResult(), failed: [{ entry, error }] });
  }

  private asKnown(item: WorkItem): WorkItem {
    return this.lenient.has(item.entry.path) ? { ...item, lenient: true } : item;
  }
}

/** Rows refused together by one transaction for all have no file to blame. */
function asFault(error: unknown): unknown {
  if (!(error instanceof RowRefused)) return error;
  return new DestinationError(
    'destination',
    `The destination refused rows of this run, and nothing of it was loaded: ${error.message}. Correct the files or the table.`,
    'never',
    { cause: error },
  );
}
