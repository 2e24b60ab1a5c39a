import { rowsOf, type SqlRunner } from '@sluice/database';
import { storedJson } from './stored-json';
import type { FileRecord } from './types';

/** Rows of one statement: bounds its size, not its meaning. */
const CHUNK = 1_000;

/** A reload that failed left the load before in the table: what the row says of that load stays true. */
const STILL_IN = `excluded.status IN ('failed', 'quarantined') AND known.load_id IS NOT NULL`;

/** The ingestion is locked before its files, as its deletion locks them. */
const UPSERT = `
WITH owner AS (SELECT id FROM sluice_control.ingestion WHERE id = $1 FOR KEY SHARE)
INSERT INTO sluice_control.processed_file AS known
  (ingestion_id, path, version, status, rows, rejected, bytes, first_error, load_id, attempts, next_attempt_at, run_id, quarantine_untold)
SELECT $1, f.path, f.version, f.status, f.rows, f.rejected, f.bytes, f.first_error, f.load_id, f.attempts, f.next_attempt_at, $2,
  f.status = 'quarantined'
FROM jsonb_to_recordset($3) AS f (path text, version text, status text, rows bigint, rejected bigint, bytes bigint,
  first_error jsonb, load_id bigint, attempts integer, next_attempt_at timestamptz)
JOIN owner ON true
ON CONFLICT (ingestion_id, path) DO UPDATE SET
  version = excluded.version, status = excluded.status, bytes = excluded.bytes, first_error = excluded.first_error,
  rows = CASE WHEN ${STILL_IN} THEN known.rows ELSE excluded.rows END,
  rejected = CASE WHEN ${STILL_IN} THEN known.rejected ELSE excluded.rejected END,
  load_id = CASE WHEN ${STILL_IN} THEN known.load_id ELSE excluded.load_id END,
  attempts = excluded.attempts, next_attempt_at = excluded.next_attempt_at, run_id = excluded.run_id, processed_at = excluded.processed_at,
  quarantine_untold = excluded.quarantine_untold`;

/** Nothing happens when the ingestion is gone. Of several records of one path the last counts. */
export async function mirrorFiles(
  sql: SqlRunner,
  ingestionId: string,
  runId: string,
  files: readonly FileRecord[],
): Promise<void> {
  const records = [...new Map(files.map((file) => [file.path, file])).values()];
  for (let first = 0; first < records.length; first += CHUNK) {
    const chunk = storedJson(records.slice(first, first + CHUNK));
    await sql.query(UPSERT, [ingestionId, runId, chunk]);
  }
}

const GONE = `DELETE FROM sluice_control.processed_file WHERE ingestion_id = $1 AND status IN ('loaded', 'changed') AND run_id <> $2`;
const NOT_IN = `UPDATE sluice_control.processed_file SET rows = 0, rejected = 0, load_id = NULL
WHERE ingestion_id = $1 AND status IN ('failed', 'quarantined') AND load_id IS NOT NULL`;

/** Nothing is in but what this run has loaded. Files that failed stay, without a load. */
export async function forgetOtherLoads(sql: SqlRunner, ingestionId: string, runId: string): Promise<void> {
  await sql.query(GONE, [ingestionId, runId]);
  await sql.query(NOT_IN, [ingestionId]);
}

const GONE_BELOW = `
WITH failed AS (
  UPDATE sluice_control.processed_file SET rows = 0, rejected = 0, load_id = NULL
  WHERE ingestion_id = $1 AND status IN ('failed', 'quarantined') AND load_id < $2
), gone AS (
  DELETE FROM sluice_control.processed_file WHERE ingestion_id = $1 AND status IN ('loaded', 'changed') AND load_id < $2 RETURNING 1
)
SELECT count(*)::integer AS files FROM gone`;

/** Nothing is in with a load id below `lowest`. Resolves with how many files are dropped; those that failed stay, without a load. */
export async function forgetLoadsBelow(sql: SqlRunner, ingestionId: string, lowest: string): Promise<number> {
  return (await rowsOf<{ files: number }>(sql, GONE_BELOW, [ingestionId, lowest]))[0]?.files ?? 0;
}
