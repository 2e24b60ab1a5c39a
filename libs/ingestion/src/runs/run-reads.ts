import { Injectable } from '@nestjs/common';
import { RunNotFound, SchemaVersionNotFound } from '@sluice/kernel';
import { rowsOf } from '@sluice/database';
import { DataSource } from 'typeorm';
import { IngestionReads } from '../ingestion-reads';
import { keyAfter, newestAfter, newestKey, pageLimit, pageOf } from '../page';
import { cancelOf, type ShownRun } from './run-cancel-view';
import { knownId } from '../uuid';
import type { FileView, Page, PageRequest, RunView, SchemaVersionView } from '../views';

const SHOWN = `*, extract(epoch FROM now() - heartbeat_at)::float8 AS silent_seconds`;

const RUNS = `
SELECT ${SHOWN} FROM sluice_control.run
WHERE ingestion_id = $1 AND ($2::timestamptz IS NULL OR (created_at, id) < ($2, $3::uuid))
ORDER BY created_at DESC, id DESC LIMIT $4`;

const FILES = `
SELECT path, version, status, rows::float8 AS rows, rejected::float8 AS rejected, bytes::float8 AS bytes, first_error, attempts,
  next_attempt_at, run_id, first_seen_at, processed_at
FROM sluice_control.processed_file WHERE ingestion_id = $1 AND ($2::text IS NULL OR path > $2)
ORDER BY path LIMIT $3`;

const VERSIONS = `
SELECT version, columns, changes, file, created_at FROM sluice_control.schema_version
WHERE ingestion_id = $1 AND ($2::integer IS NULL OR version = $2) ORDER BY version DESC`;

const MAX_INTEGER = 2 ** 31 - 1;

/** What runs left behind, as readers see it. */
@Injectable()
export class RunReads {
  constructor(
    private readonly dataSource: DataSource,
    private readonly ingestions: IngestionReads,
  ) {}

  async find(id: string): Promise<ShownRun> {
    const missing = (it: string) => new RunNotFound(it);
    const sql = `SELECT ${SHOWN} FROM sluice_control.run WHERE id = $1`;
    const [run] = await rowsOf<ShownRun>(this.dataSource, sql, [knownId(id, missing)]);
    if (!run) throw missing(id);
    return run;
  }

  async get(id: string): Promise<RunView> {
    return viewOf(await this.find(id));
  }

  async list(ingestionId: string, request: PageRequest): Promise<Page<RunView>> {
    const [limit, after] = [pageLimit(request), newestAfter(request)];
    await this.ingestions.find(ingestionId);
    const rows = await rowsOf<ShownRun>(this.dataSource, RUNS, [ingestionId, ...after, limit + 1]);
    return pageOf(rows.map(viewOf), limit, newestKey);
  }

  async files(ingestionId: string, request: PageRequest): Promise<Page<FileView>> {
    const [limit, after] = [pageLimit(request), keyAfter(request, 1)];
    await this.ingestions.find(ingestionId);
    const rows = await rowsOf<FileView>(this.dataSource, FILES, [ingestionId, after?.[0] ?? null, limit + 1]);
    return pageOf(rows, limit, (file) => [file.path]);
  }

  async schemaVersions(ingestionId: string): Promise<SchemaVersionView[]> {
    await this.ingestions.find(ingestionId);
    return rowsOf(this.dataSource, VERSIONS, [ingestionId, null]);
  }

  async schemaVersion(ingestionId: string, version: number): Promise<SchemaVersionView> {
    await this.ingestions.find(ingestionId);
    const possible = Number.isInteger(version) && version >= 1 && version <= MAX_INTEGER;
    const [found] = possible ? await rowsOf<SchemaVersionView>(this.dataSource, VERSIONS, [ingestionId, version]) : [];
    if (!found) throw new SchemaVersionNotFound(ingestionId, version);
    return found;
  }
}

function viewOf(run: ShownRun): RunView {
  return {
    id: run.id,
    ingestion_id: run.ingestion_id,
    flow_run_id: run.flow_run_id,
    trigger: run.trigger,
    planned_at: run.planned_at,
    parameters: run.parameters,
    retry_of: run.retry_of,
    cancel: cancelOf(run),
    status: run.status,
    created_at: run.created_at,
    started_at: run.started_at,
    ended_at: run.ended_at,
    metrics: run.metrics,
    errors: run.errors,
  };
}
