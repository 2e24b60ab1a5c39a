import { Injectable } from '@nestjs/common';
import type { LogLine } from '@sluice/orchestration-gateway';
import type { FileView, Page, PageRequest, RunView, SchemaVersionView } from './views';

/** What happened: runs, their logs, the files and schema versions they left, and cancelling one. */
@Injectable()
export class RunService {
  /** Newest first. Errors: `IngestionNotFound`, `ValueError` (limit, cursor). */
  listRuns(_ingestionId: string, _page?: PageRequest): Promise<Page<RunView>> {
    throw new Error('contract');
  }

  /** Errors: `RunNotFound`. */
  getRun(_runId: string): Promise<RunView> {
    throw new Error('contract');
  }

  /**
   * A queued run is `cancelled` in the answer; a running one still `running`: its process ends it within seconds.
   * Errors: `RunNotFound`, `Conflict` (it has ended), `OrchestrationUnavailable` (nothing changed).
   */
  cancelRun(_runId: string): Promise<RunView> {
    throw new Error('contract');
  }

  /** From Prefect, oldest first; empty before Prefect knows the run. Errors: `RunNotFound`, `ValueError`, `OrchestrationUnavailable`. */
  logs(_runId: string, _page?: PageRequest): Promise<Page<LogLine>> {
    throw new Error('contract');
  }

  /** By path. Errors: `IngestionNotFound`, `ValueError` (limit, cursor). */
  listFiles(_ingestionId: string, _page?: PageRequest): Promise<Page<FileView>> {
    throw new Error('contract');
  }

  /** Newest first, all of them. Errors: `IngestionNotFound`. */
  listSchemaVersions(_ingestionId: string): Promise<SchemaVersionView[]> {
    throw new Error('contract');
  }

  /** Errors: `IngestionNotFound`, `SchemaVersionNotFound`. */
  getSchemaVersion(_ingestionId: string, _version: number): Promise<SchemaVersionView> {
    throw new Error('contract');
  }
}
