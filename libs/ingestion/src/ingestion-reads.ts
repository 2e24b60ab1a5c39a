import { Injectable } from '@nestjs/common';
import { IngestionNotFound } from '@sluice/kernel';
import { rowsOf } from '@sluice/database';
import { OrchestrationGateway } from '@sluice/orchestration-gateway';
import { DataSource } from 'typeorm';
import { freshnessOf, IS_STALE_SQL } from './freshness';
import type { IngestionRow } from './ingestion.entity';
import { newestAfter, newestKey, pageLimit, pageOf } from './page';
import { oneOf } from './rules/refuse';
import { knownId } from './uuid';
import type { IngestionMetadata, IngestionView, ListIngestions, Page } from './views';

const SHOWN = ['draft', 'active', 'paused', 'error'] as const;

/** A tick that was missed or superseded is no run to speak of. */
const FACTS = `
SELECT i.id, now() AS asked_at, r.id AS last_run_id, coalesce(r.started_at, r.created_at) AS last_run_time, r.status AS last_run_status,
  coalesce(v.version, 0) AS schema_version
FROM unnest($1::uuid[]) AS i (id)
LEFT JOIN LATERAL (
  SELECT id, started_at, created_at, status FROM sluice_control.run
  WHERE ingestion_id = i.id AND (planned_at IS NULL OR status <> 'cancelled' OR started_at IS NOT NULL)
  ORDER BY created_at DESC, id DESC LIMIT 1) r ON true
LEFT JOIN LATERAL (
  SELECT max(version) AS version FROM sluice_control.schema_version WHERE ingestion_id = i.id) v ON true`;

const LIST = `
SELECT * FROM sluice_control.ingestion
WHERE status <> 'provisioning' AND ($1::text IS NULL OR status = $1) AND ($2::text IS NULL OR name = $2)
  AND ($3::timestamptz IS NULL OR (created_at, id) < ($3, $4::uuid))
  AND ($6::boolean IS NULL OR ${IS_STALE_SQL} = $6)
ORDER BY created_at DESC, id DESC LIMIT $5`;

type Facts = Omit<IngestionMetadata, 'next_run_time' | 'consecutive_failures' | 'freshness'> & {
  id: string;
  asked_at: Date;
};

/** Ingestions as readers see them. Those not wholly created do not exist. */
@Injectable()
export class IngestionReads {
  constructor(
    private readonly dataSource: DataSource,
    private readonly gateway: OrchestrationGateway,
  ) {}

  async get(id: string): Promise<IngestionView> {
    return this.view(await this.find(id));
  }

  async list(request: ListIngestions): Promise<Page<IngestionView>> {
    const limit = pageLimit(request);
    const status = request.status === undefined ? null : oneOf('status', request.status, SHOWN);
    const parameters = [status, request.name ?? null, ...newestAfter(request), limit + 1, request.stale ?? null];
    const page = pageOf(await rowsOf<IngestionRow>(this.dataSource, LIST, parameters), limit, newestKey);
    return { ...page, items: await this.views(page.items) };
  }

  async view(row: IngestionRow): Promise<IngestionView> {
    const [facts, planned] = await Promise.all([this.facts([row]), this.planned([row])]);
    return viewOf(row, facts, planned);
  }

  async find(id: string): Promise<IngestionRow> {
    const missing = (it: string) => new IngestionNotFound(it);
    const sql = `SELECT * FROM sluice_control.ingestion WHERE id = $1 AND status <> 'provisioning'`;
    const [row] = await rowsOf<IngestionRow>(this.dataSource, sql, [knownId(id, missing)]);
    if (!row) throw missing(id);
    return row;
  }

  private async views(rows: IngestionRow[]): Promise<IngestionView[]> {
    const [facts, planned] = await Promise.all([this.facts(rows), this.planned(rows)]);
    return rows.map((row) => viewOf(row, facts, planned));
  }

  private async facts(rows: IngestionRow[]): Promise<Map<string, Facts>> {
    const found = await rowsOf<Facts>(this.dataSource, FACTS, [rows.map((row) => row.id)]);
    return new Map(found.map((facts) => [facts.id, facts]));
  }

  /** A reader never waits for, nor fails with, Prefect: unknown is `null`. */
  private async planned(rows: IngestionRow[]): Promise<Map<string, Date>> {
    const asked = rows.filter((row) => row.status === 'active' && row.schedule?.frequency !== 'manual');
    const ids = asked.flatMap((row) => row.prefect_deployment_id ?? []);
    if (ids.length === 0) return new Map();
    return this.gateway.nextRunTimes(ids).catch(() => new Map<string, Date>());
  }
}

function viewOf(row: IngestionRow, known: Map<string, Facts>, planned: Map<string, Date>): IngestionView {
  const facts = known.get(row.id);
  return {
    id: row.id,
    name: row.name,
    status: row.status as IngestionView['status'],
    error_reason: row.error_reason,
    source: { ...row.source, credentials: row.credential_keys },
    format: row.format,
    schema: row.schema,
    destination: row.destination,
    schedule: row.schedule,
    on_schema_change: row.on_schema_change,
    changed_files: row.changed_files,
    quality: row.quality,
    prefect_deployment_id: row.prefect_deployment_id,
    metadata: {
      last_run_id: facts?.last_run_id ?? null,
      last_run_time: facts?.last_run_time ?? null,
      last_run_status: facts?.last_run_status ?? null,
      next_run_time: planned.get(row.prefect_deployment_id ?? '') ?? null,
      schema_version: facts?.schema_version ?? 0,
      consecutive_failures: row.consecutive_failures,
      freshness: freshnessOf(row, facts?.asked_at ?? new Date()),
    },
    counters: {
      missed: Number(row.missed),
      superseded: Number(row.superseded),
      overlap_skipped: Number(row.overlap_skipped),
    },
    created_at: row.created_at,
    updated_at: row.updated_at,
  };
}
