import type { Client } from 'pg';
import type { FailedFile, FailureState } from '../destination';
import type { Holder } from './ledger';

export interface RetryPolicy {
  /** Attempts at one file before it is quarantined. */
  attempts: number;
  /** Seconds before the second attempt; each further pause is four times as long, one day at most. */
  seconds: number;
}

/** Only failures of the same content under the same settings count together. $7: attempts, $8: seconds. */
const RECORD = `
INSERT INTO sluice.failed_file AS f (ingestion, path, fingerprint, settings, attempts, next_attempt_at, message, run, failed_at)
SELECT $1, path, fingerprint, $3, 1, CASE WHEN $7 > 1 THEN now() + least($8, 86400) * interval '1 second' END, message, $2, now()
FROM unnest($4::text[], $5::text[], $6::text[]) AS failed (path, fingerprint, message)
ON CONFLICT (ingestion, path) DO UPDATE SET (fingerprint, settings, attempts, next_attempt_at, message, run, failed_at) = (
  SELECT excluded.fingerprint, excluded.settings, n, CASE WHEN n < $7 THEN now() + least($8 * 4 ^ least(n - 1, 20), 86400) * interval '1 second' END,
    excluded.message, excluded.run, now()
  FROM (SELECT CASE WHEN (f.fingerprint, f.settings) = (excluded.fingerprint, excluded.settings) THEN f.attempts ELSE 0 END + 1) AS counted (n)
)
RETURNING path, attempts, next_attempt_at AS "nextAttemptAt"`;

/** Counts one more failure of each file. To be called under the fence. */
export async function recordFailures(
  client: Client,
  { ingestionId, runId }: Holder,
  files: readonly FailedFile[],
  settings: string,
  policy: RetryPolicy,
): Promise<FailureState[]> {
  const { rows } = await client.query<FailureState>(RECORD, [
    ingestionId,
    runId,
    settings,
    files.map(({ entry }) => entry.path),
    files.map(({ entry }) => entry.fingerprint),
    files.map(({ message }) => message.replaceAll('\0', '\u2400')),
    policy.attempts,
    policy.seconds,
  ]);
  return rows;
}

/** Makes failed files due now, also for a clock that is set back a little: all, or these. What their next failure counts as stays. To be called under the fence. */
export async function makeDue(client: Client, ingestionId: string, which: 'all' | readonly string[]): Promise<void> {
  const statement = `UPDATE sluice.failed_file SET next_attempt_at = '-infinity'
    WHERE ingestion = $1 AND ($2::text[] IS NULL OR path = ANY ($2)) AND next_attempt_at IS DISTINCT FROM '-infinity'`;
  await client.query(statement, [ingestionId, which === 'all' ? null : which]);
}
