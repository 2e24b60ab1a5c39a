import type {
  ColumnRecord,
  FileRecord,
  FormatSpec,
  OnSchemaChange,
  RunError,
  RunMetrics,
  RunStatus,
  SchemaChange,
  SourceSpec,
  DestinationSpec,
} from './types';

/** What the data plane needs to know of an ingestion to run it. */
export interface RunningOrder {
  id: string;
  name: string;
  status: string;
  source: SourceSpec;
  format: FormatSpec;
  destination: DestinationSpec;
  on_schema_change: OnSchemaChange;
}

/** The newest schema version of an ingestion, as the data plane left it. */
export interface KnownSchema {
  version: number;
  columns: ColumnRecord[];
  /** Reader's facts fixed with this version (CSV dialect); opaque here. */
  dialect: Record<string, unknown> | null;
}

/**
 * The data plane's side of the control database: one run's record, from `queued` to its end. Contract stub.
 * All state changes are compare-and-set in SQL; false means that somebody else was first.
 */
export class RunRecorder {
  /** `null` when the ingestion is gone (or not wholly created). */
  findOrder(_ingestionId: string): Promise<RunningOrder | null> {
    throw new Error('contract');
  }
  /**
   * The run row of a flow run: the one named by `runId` (its `flow_run_id` is filled in), else the one which already holds this `flowRunId`,
   * else a new row `queued` (trigger `scheduled` or `manual`). Idempotent.
   */
  enter(_entry: {
    ingestionId: string;
    flowRunId: string;
    runId: string | null;
    scheduled: boolean;
  }): Promise<{ id: string; status: RunStatus; startedAt: Date | null }> {
    throw new Error('contract');
  }
  /** queued -> running. `executor` is this process's own random id; every later write of this run is fenced by it. False: the run was already ended (failed, cancelled) or taken. */
  start(_runId: string, _executor: string): Promise<boolean> {
    throw new Error('contract');
  }
  /** Takes over a `running` row whose process is gone (the caller holds the lease, which proves it). */
  takeOver(_runId: string, _executor: string): Promise<boolean> {
    throw new Error('contract');
  }
  /** queued -> skipped | cancelled | failed, before anything was loaded. */
  dismiss(_runId: string, _status: 'skipped' | 'cancelled' | 'failed', _errors: RunError[]): Promise<boolean> {
    throw new Error('contract');
  }
  /** running -> a terminal status, with metrics and errors (at most 100 are kept). */
  end(
    _runId: string,
    _executor: string,
    _end: { status: RunStatus; metrics: RunMetrics; errors: RunError[] },
  ): Promise<boolean> {
    throw new Error('contract');
  }
  /** Metrics so far, while running. */
  progress(_runId: string, _executor: string, _metrics: RunMetrics): Promise<void> {
    throw new Error('contract');
  }
  /** Mirrors what happened to files (upsert by ingestion and path). Idempotent. */
  mirrorFiles(_ingestionId: string, _runId: string, _files: readonly FileRecord[]): Promise<void> {
    throw new Error('contract');
  }
  /** `null` before the first file. */
  knownSchema(_ingestionId: string): Promise<KnownSchema | null> {
    throw new Error('contract');
  }
  /** Adds version `after + 1`; false when another process has added it already. */
  addSchemaVersion(
    _ingestionId: string,
    _version: {
      after: number;
      columns: ColumnRecord[];
      changes: SchemaChange[];
      dialect: Record<string, unknown> | null;
      file: string;
    },
  ): Promise<boolean> {
    throw new Error('contract');
  }
}
