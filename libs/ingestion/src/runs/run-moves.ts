import { rowsOf, type SqlRunner } from '@sluice/database';
import { ADD_TO_TOTALS, COUNT_STREAK } from './run-counts';
import type { RunRow } from './run.entity';
import { storedJson } from '../stored-json';
import { NEXT_RUN_STATUS, type RunError, type RunMetrics, type RunParameters, type RunStatus } from '../types';

const MAX_ERRORS = 100;

export const NO_METRICS: RunMetrics = {
  files_discovered: 0,
  files_processed: 0,
  files_failed: 0,
  rows_ingested: 0,
  rows_rejected: 0,
  bytes_read: 0,
  duration_ms: 0,
};

/** What a run does that nobody told otherwise. */
export const LOAD_ALL: RunParameters = { kind: 'load', from: null, until: null, path_prefix: null };

export interface RunMove {
  from: RunStatus;
  to: RunStatus;
  /** Only if this process still runs it; for `running` the process that begins to. */
  executor?: string;
  /** Only if it still belongs to this flow run and its process has not been heard of since then. */
  seen?: Pick<RunRow, 'flow_run_id' | 'heartbeat_at'>;
  metrics?: RunMetrics;
  errors?: readonly RunError[];
}

/** May this status follow that one? */
export function mayFollow(from: RunStatus, to: RunStatus): boolean {
  return (NEXT_RUN_STATUS[from] as readonly RunStatus[]).includes(to);
}

export function hasEnded(status: RunStatus): boolean {
  return NEXT_RUN_STATUS[status].length === 0;
}

const CHANGED = `status = $3,
  executor   = CASE WHEN $3 = 'running' THEN $4::uuid ELSE executor END,
  started_at = CASE WHEN $3 = 'running' THEN now() ELSE started_at END,
  heartbeat_at = CASE WHEN $3 = 'running' THEN now() ELSE heartbeat_at END,
  ended_at   = CASE WHEN $3 = 'running' THEN NULL ELSE now() END,
  metrics    = coalesce($5::jsonb, metrics),
  errors     = coalesce($6::jsonb, errors)`;
const STILL_SO = `status = $2 AND ($4::uuid IS NULL OR $3 = 'running' OR executor = $4::uuid)
  AND (NOT $7::boolean OR flow_run_id IS NOT DISTINCT FROM $8::uuid AND heartbeat_at IS NOT DISTINCT FROM $9::timestamptz)`;

const MOVE = `UPDATE sluice_control.run SET ${CHANGED} WHERE id = $1 AND ${STILL_SO} RETURNING id`;

/** The ingestion is locked before its run, as who deletes an ingestion locks them: the other way round the two would wait for each other. */
const END = `
WITH owner AS (
  SELECT id AS ingestion_id FROM sluice_control.ingestion
  WHERE id = (SELECT ingestion_id FROM sluice_control.run WHERE id = $1) FOR NO KEY UPDATE
), ended AS (
  UPDATE sluice_control.run r SET ${CHANGED} FROM owner WHERE r.id = $1 AND r.ingestion_id = owner.ingestion_id AND ${STILL_SO}
  RETURNING r.*
), streak AS (${COUNT_STREAK}), total AS (${ADD_TO_TOTALS})
SELECT id FROM ended`;

/** Moves a run on by compare-and-set; its end is counted in the same statement. False: it is no longer as the move expects, somebody else was first. */
export async function moveRun(sql: SqlRunner, id: string, move: RunMove): Promise<boolean> {
  if (!mayFollow(move.from, move.to)) throw new Error(`A run cannot go from ${move.from} to ${move.to}.`);
  const { executor = null, seen, metrics, errors } = move;
  const json = [metrics && storedJson(metrics), errors && storedJson(errors.slice(0, MAX_ERRORS))];
  const asSeen = [seen !== undefined, seen?.flow_run_id ?? null, seen?.heartbeat_at ?? null];
  const values = [id, move.from, move.to, executor, ...json.map((it) => it ?? null), ...asSeen];
  const rows = await rowsOf(sql, hasEnded(move.to) ? END : MOVE, values);
  return rows.length === 1;
}

/** An error of the run itself, not of one of its files. */
export function runError(error_type: string, message: string, retryable: boolean): RunError {
  return { file: null, line: null, column: null, error_type, message, retryable };
}
