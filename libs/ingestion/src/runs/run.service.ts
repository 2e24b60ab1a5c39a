import { Injectable } from '@nestjs/common';
import { type LogLine, OrchestrationGateway } from '@sluice/orchestration-gateway';
import { saying, SENTENCE } from '../faults';
import { FileHistory } from '../file-history';
import type { Repetition } from '../ingestion.service';
import { ManualRuns } from './manual-runs';
import { keyAfter, packed, pageLimit, wrongCursor } from '../page';
import { RejectedRows } from '../rejected-rows';
import { RunCancellation } from './run-cancellation';
import { RunReads } from './run-reads';
import type {
  FileView,
  ListRejectedRows,
  Page,
  PageRequest,
  RejectedRowView,
  RunView,
  SchemaVersionView,
  Triggered,
} from '../views';

/** What happened: runs, their logs, the files and schema versions they left, and cancelling one. */
@Injectable()
export class RunService {
  constructor(
    private readonly reads: RunReads,
    private readonly cancellation: RunCancellation,
    private readonly manual: ManualRuns,
    private readonly gateway: OrchestrationGateway,
    private readonly history: FileHistory,
    private readonly rejected: RejectedRows,
  ) {}

  /** Newest first. Errors: `IngestionNotFound`, `ValueError` (limit, cursor). */
  listRuns(ingestionId: string, page: PageRequest = {}): Promise<Page<RunView>> {
    return this.reads.list(ingestionId, page);
  }

  /** Errors: `RunNotFound`. */
  getRun(runId: string): Promise<RunView> {
    return this.reads.get(runId);
  }

  /**
   * A queued run is `cancelled` in the answer; a running one still `running`: its process ends it within seconds, and `cancel` says why it has not.
   * Errors: `RunNotFound`, `Conflict` (it has ended), `OrchestrationUnavailable` (nothing changed).
   */
  async cancelRun(runId: string): Promise<RunView> {
    await this.cancellation.cancel(await this.reads.find(runId));
    return this.reads.get(runId);
  }

  /**
   * A new run with the parameters of this one, which has ended; the same for the same `idempotencyKey`. Errors: `RunNotFound`, `RunActive` (this
   * one, or another of its ingestion), `ValueError` (no deployment), `Conflict`, `OrchestrationUnavailable` (then it will not run).
   */
  async retryRun(runId: string, { idempotencyKey }: Repetition = {}): Promise<Triggered> {
    return this.manual.again(await this.reads.find(runId), idempotencyKey);
  }

  /** From Prefect, oldest first; empty before Prefect knows the run. Errors: `RunNotFound`, `ValueError`, `OrchestrationUnavailable`. */
  async logs(runId: string, page: PageRequest = {}): Promise<Page<LogLine>> {
    const [limit, offset] = [pageLimit(page), offsetOf(page)];
    const { flow_run_id } = await this.reads.find(runId);
    if (!flow_run_id) return { items: [], next_cursor: null };
    const items = await saying(SENTENCE.logs, () => this.gateway.logs(flow_run_id, { offset, limit }));
    return { items, next_cursor: items.length < limit ? null : packed([String(offset + limit)]) };
  }

  /** By path. Errors: `IngestionNotFound`, `ValueError` (limit, cursor). */
  listFiles(ingestionId: string, page: PageRequest = {}): Promise<Page<FileView>> {
    return this.reads.files(ingestionId, page);
  }

  /** Errors: `IngestionNotFound`, `Conflict` (the table holds rows and it was not confirmed), `RunActive`, `DestinationUnavailable`. */
  forgetFiles(ingestionId: string, { confirm = false }: { confirm?: boolean } = {}): Promise<void> {
    return this.history.forget(ingestionId, confirm);
  }

  /** Oldest first. Errors: `IngestionNotFound`, `ValueError` (limit, cursor, run_id), `DestinationUnavailable`. */
  listRejectedRows(ingestionId: string, request: ListRejectedRows = {}): Promise<Page<RejectedRowView>> {
    return this.rejected.ofIngestion(ingestionId, request);
  }

  /** Oldest first. Errors: `RunNotFound`, `ValueError` (limit, cursor), `DestinationUnavailable`. */
  listRejectedRowsOfRun(runId: string, page: PageRequest = {}): Promise<Page<RejectedRowView>> {
    return this.rejected.ofRun(runId, page);
  }

  /** Newest first, all of them. Errors: `IngestionNotFound`. */
  listSchemaVersions(ingestionId: string): Promise<SchemaVersionView[]> {
    return this.reads.schemaVersions(ingestionId);
  }

  /** Errors: `IngestionNotFound`, `SchemaVersionNotFound`. */
  getSchemaVersion(ingestionId: string, version: number): Promise<SchemaVersionView> {
    return this.reads.schemaVersion(ingestionId, version);
  }
}

function offsetOf(page: PageRequest): number {
  const [offset = '0'] = keyAfter(page, 1) ?? [];
  if (!/^\d{1,9}$/.test(offset)) throw wrongCursor();
  return Number(offset);
}
