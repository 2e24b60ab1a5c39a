import type { SqlRunner } from '@sluice/database';
import { storedJson } from './stored-json';
import type { FileRecord } from './types';

/** Rows of one statement: bounds its size, not its meaning. */
const CHUNK = 1_000;

const UPSERT = `
INSERT INTO sluice_control.processed_file AS known
  (ingestion_id, path, version, status, rows, rejected, bytes, first_error, load_id, attempts, next_attempt_at, run_id)
SELECT $1, f.path, f.version, f.status, f.rows, f.rejected, f.bytes, f.first_error, f.load_id, f.attempts, f.next_attempt_at, $2
FROM jsonb_to_recordset($3) AS f (path text, version text, status text, rows bigint, rejected bigint, bytes bigint,
  first_error jsonb, load_id bigint, attempts integer, next_attempt_at timestamptz)
JOIN sluice_control.ingestion i ON i.id = $1
ON CONFLICT (ingestion_id, path) DO UPDATE SET
  version = excluded.version, status = excluded.status, rows = excluded.rows, rejected = excluded.rejected,
  bytes = excluded.bytes, first_error = excluded.first_error, load_id = excluded.load_id,
  attempts = excluded.attempts, next_attempt_at = excluded.next_attempt_at, run_id = excluded.run_id, processed_at = excluded.processed_at`;

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
