import { Injectable } from '@nestjs/common';
import { isOutage, patiently, rowsOf } from '@sluice/database';
import { Clock } from '@sluice/kernel';
import { DataSource } from 'typeorm';
import { forgetLoadsBelow, forgetOtherLoads, mirrorFiles } from '../file-mirror';
import { type Entered, type Entry, enterRun } from './run-entry';
import { LOAD_ALL, moveRun } from './run-moves';
import { leaveQueue } from './run-queue';
import { storedJson } from '../stored-json';
import type {
  ChangedFiles,
  ColumnRecord,
  FileRecord,
  FormatSpec,
  IngestionStatus,
  OnSchemaChange,
  OverlapPolicy,
  QualitySpec,
  RunError,
  RunMetrics,
  RunStatus,
  SchemaChange,
  ScheduleSpec,
  SchemaSpec,
  SourceSpec,
  DestinationSpec,
} from '../types';

/** What the data plane needs to know of an ingestion to run it. */
export interface RunningOrder {
  id: string;
  name: string;
  status: IngestionStatus;
  schedule: ScheduleSpec | null;
  source: SourceSpec;
  format: FormatSpec;
  destination: DestinationSpec;
  schema: SchemaSpec;
  on_schema_change: OnSchemaChange;
  changed_files: ChangedFiles;
  quality: QualitySpec;
  overlap_policy: OverlapPolicy;
}

/** The newest schema version of an ingestion, as the data plane left it. */
export interface KnownSchema {
  version: number;
  columns: ColumnRecord[];
  /** Reader's facts fixed with this version (CSV dialect); opaque here. */
  dialect: Record<string, unknown> | null;
}

/**
 * The data plane's side of the control database: one run's record, from `queued` to its end.
 * All state changes are compare-and-set in SQL; false means that somebody else was first.
 * The end of a run is written here before it is told to Prefect: a flow run that has ended while its row has not counts as crashed.
 * Every call but `progress` waits through an outage of the control database of up to a minute, and may be repeated.
 */
@Injectable()
export class RunRecorder {
  constructor(
    private readonly dataSource: DataSource,
    private readonly clock: Clock,
  ) {}

  /** `null` when the ingestion is gone (or not wholly created). */
  async findOrder(ingestionId: string): Promise<RunningOrder | null> {
    const [order] = await this.read<RunningOrder>(
      `SELECT id, name, status, schedule, source, format, destination, schema, on_schema_change, changed_files, quality,
         coalesce(schedule->>'overlap_policy', 'skip') AS overlap_policy FROM sluice_control.ingestion
       WHERE id = $1 AND status <> 'provisioning'`,
      [ingestionId],
    );
    return order ?? null;
  }

  /**
   * The run row of a flow run: the one named by `runId` (its `flow_run_id` is filled in), else the one which already holds this `flowRunId`,
   * else a new row `queued` (trigger `scheduled` or `manual`). Idempotent. When Prefect runs a flow run again whose row had started and
   * ended, a new row with the trigger `retry`. A tick that another flow run has comes back as `taken`: do not load. A row the API failed or cancelled before its start comes back as it is: do not load.
   * Errors: `IngestionNotFound`.
   */
  enter(entry: Entry): Promise<Entered> {
    return patiently(this.clock, () => enterRun(this.dataSource, entry));
  }

  /** queued -> running. `executor` is this process's own random id; every later write of this run is fenced by it. False: the run was already ended (failed, cancelled) or taken. */
  start(runId: string, executor: string): Promise<boolean> {
    return patiently(this.clock, () => moveRun(this.dataSource, runId, { from: 'queued', to: 'running', executor }));
  }

  /** Takes over a `running` row whose process is gone (the caller holds the lease, which proves it). */
  async takeOver(runId: string, executor: string): Promise<boolean> {
    const sql = `UPDATE sluice_control.run SET executor = $2, heartbeat_at = now() WHERE id = $1 AND status = 'running' RETURNING id`;
    return (await this.read(sql, [runId, executor])).length === 1;
  }

  /** False: the run is no longer this process's, since it was given up for lost. True is a heartbeat too, so that it stays so for a while. */
  async keep(runId: string, executor: string): Promise<boolean> {
    const sql = `UPDATE sluice_control.run SET heartbeat_at = now() WHERE id = $1 AND executor = $2 AND status = 'running' RETURNING id`;
    return (await this.read(sql, [runId, executor])).length === 1;
  }

  /** What the run has loaded so far, as the mirror says it: for whoever takes it over. */
  async loadedBy(runId: string): Promise<LoadedSoFar> {
    const [found] = await this.read<LoadedSoFar>(LOADED_BY, [runId]);
    return found ?? { files_processed: 0, rows_ingested: 0, rows_rejected: 0, bytes_read: 0 };
  }

  /** Where a run stands; `null` when it is gone with its ingestion. */
  async stateOf(runId: string): Promise<{ status: RunStatus; startedAt: Date | null } | null> {
    const sql = 'SELECT status, started_at AS "startedAt" FROM sluice_control.run WHERE id = $1';
    const [found] = await this.read<{ status: RunStatus; startedAt: Date | null }>(sql, [runId]);
    return found ?? null;
  }

  /** queued -> skipped | cancelled | failed, before anything was loaded. */
  dismiss(runId: string, status: 'skipped' | 'cancelled' | 'failed', errors: RunError[]): Promise<boolean> {
    return patiently(this.clock, async (again) => {
      if (await this.leave(runId, status, errors)) return true;
      return again && (await this.isAt(runId, status, null));
    });
  }

  /** A tick that is left out counts, in the same statement. */
  private leave(runId: string, status: 'skipped' | 'cancelled' | 'failed', errors: RunError[]): Promise<boolean> {
    if (status === 'skipped') return leaveQueue(this.dataSource, runId, status, 'overlap_skipped', null);
    return moveRun(this.dataSource, runId, { from: 'queued', to: status, errors });
  }

  /** As if no process had entered for this flow run, so that another one may be made in its place. */
  async handBack(runId: string, flowRunId: string): Promise<void> {
    const sql = `UPDATE sluice_control.run SET heartbeat_at = NULL WHERE id = $1 AND flow_run_id = $2 AND status = 'queued'`;
    await this.read(sql, [runId, flowRunId]);
  }

  /** running -> a terminal status, with metrics and errors (at most 100 are kept). */
  end(
    runId: string,
    executor: string,
    end: { status: RunStatus; metrics: RunMetrics; errors: RunError[] },
  ): Promise<boolean> {
    const { status: to, metrics, errors } = end;
    return patiently(this.clock, async (again) => {
      if (await moveRun(this.dataSource, runId, { from: 'running', to, executor, metrics, errors })) return true;
      return again && (await this.isAt(runId, to, executor));
    });
  }

  /** Metrics so far, while running. Neither fails nor waits for an outage: the next one, or the end, says more. */
  async progress(runId: string, executor: string, metrics: RunMetrics): Promise<void> {
    const sql = `UPDATE sluice_control.run SET metrics = $3 WHERE id = $1 AND executor = $2 AND status = 'running'`;
    await this.dataSource.query(sql, [runId, executor, JSON.stringify(metrics)]).catch((error: unknown) => {
      if (!isOutage(error)) throw error;
    });
  }

  /** Mirrors what happened to files (upsert by ingestion and path). Idempotent. */
  mirrorFiles(ingestionId: string, runId: string, files: readonly FileRecord[]): Promise<void> {
    return patiently(this.clock, () => mirrorFiles(this.dataSource, ingestionId, runId, files));
  }

  /** The highest load id of the ingestion's mirrored files; `null` when there is none. Load ids of one ingestion only grow. */
  async mirroredUpTo(ingestionId: string): Promise<string | null> {
    const sql = `SELECT max(load_id)::text AS highest FROM sluice_control.processed_file WHERE ingestion_id = $1`;
    const [found] = await this.read<{ highest: string | null }>(sql, [ingestionId]);
    return found?.highest ?? null;
  }

  /**
   * Rows of the last runs of this ingestion that ended `success` or `partial` and loaded any, newest first. Only of those that were to load all
   * that was new: a rebuild, a backfill or another try says nothing of what usually comes.
   */
  async recentRows(ingestionId: string, limit: number): Promise<number[]> {
    const sql = `SELECT (metrics->>'rows_ingested')::float8 AS rows FROM sluice_control.run
      WHERE ingestion_id = $1 AND status IN ('success', 'partial') AND (metrics->>'files_processed')::bigint > 0
        AND parameters @> $3
      ORDER BY created_at DESC, id DESC LIMIT $2`;
    const found = await this.read<{ rows: number }>(sql, [ingestionId, limit, JSON.stringify(LOAD_ALL)]);
    return found.map(({ rows }) => rows);
  }

  /** The ledger was built anew: files of the mirror that `runId` did not load are no longer in. */
  forgetFilesNotOf(ingestionId: string, runId: string): Promise<void> {
    return patiently(this.clock, () => forgetOtherLoads(this.dataSource, ingestionId, runId));
  }

  /** The same by the lowest load id of the ledger, for whoever finds it: a rebuild gives all files new ones. Resolves with how many are dropped. */
  forgetFilesBelow(ingestionId: string, lowest: string): Promise<number> {
    return patiently(this.clock, () => forgetLoadsBelow(this.dataSource, ingestionId, lowest));
  }

  /** `null` before the first file. */
  async knownSchema(ingestionId: string): Promise<KnownSchema | null> {
    const [known] = await this.read<KnownSchema>(
      `SELECT version, columns, dialect FROM sluice_control.schema_version
       WHERE ingestion_id = $1 ORDER BY version DESC LIMIT 1`,
      [ingestionId],
    );
    return known ?? null;
  }

  /** Adds version `after + 1`; false when another process has added it already (or the ingestion is gone). */
  async addSchemaVersion(
    ingestionId: string,
    version: {
      after: number;
      columns: ColumnRecord[];
      changes: SchemaChange[];
      dialect: Record<string, unknown> | null;
      file: string;
    },
  ): Promise<boolean> {
    const json = [version.columns, version.changes, version.dialect].map((it) => it && storedJson(it));
    const parameters = [ingestionId, version.after, ...json, version.file];
    return patiently(this.clock, async (again) => {
      if ((await rowsOf(this.dataSource, ADD_VERSION, parameters)).length === 1) return true;
      return again && (await rowsOf(this.dataSource, IS_VERSION, parameters)).length === 1;
    });
  }

  private read<Row>(sql: string, values: unknown[]): Promise<Row[]> {
    return patiently(this.clock, () => rowsOf<Row>(this.dataSource, sql, values));
  }

  /** After a try whose answer was lost: did it do its work? */
  private async isAt(runId: string, status: RunStatus, executor: string | null): Promise<boolean> {
    const sql = `SELECT FROM sluice_control.run WHERE id = $1 AND status = $2 AND ($3::uuid IS NULL OR executor = $3)`;
    return (await rowsOf(this.dataSource, sql, [runId, status, executor])).length === 1;
  }
}

export type LoadedSoFar = Pick<RunMetrics, 'files_processed' | 'rows_ingested' | 'rows_rejected' | 'bytes_read'>;

const LOADED_BY = `
SELECT count(*)::float8 AS files_processed, coalesce(sum(rows), 0)::float8 AS rows_ingested,
  coalesce(sum(rejected), 0)::float8 AS rows_rejected, coalesce(sum(bytes), 0)::float8 AS bytes_read
FROM sluice_control.processed_file f JOIN sluice_control.run r ON r.ingestion_id = f.ingestion_id
WHERE r.id = $1 AND f.run_id = $1 AND f.status = 'loaded'`;

const IS_VERSION = `
SELECT FROM sluice_control.schema_version
WHERE ingestion_id = $1 AND version = $2::integer + 1 AND columns = $3::jsonb AND changes = $4::jsonb
  AND dialect IS NOT DISTINCT FROM $5::jsonb AND file = $6`;

const ADD_VERSION = `
INSERT INTO sluice_control.schema_version (ingestion_id, version, columns, changes, dialect, file)
SELECT i.id, $2::integer + 1, $3, $4, $5, $6 FROM sluice_control.ingestion i
WHERE i.id = $1
  AND $2::integer = (SELECT coalesce(max(version), 0) FROM sluice_control.schema_version WHERE ingestion_id = $1)
ON CONFLICT DO NOTHING RETURNING version`;
