import type { Client } from 'pg';
import { DestinationError } from '../../errors';

const TRIES = 40;
const PAUSE_MS = 100;
const KEY = "hashtextextended('sluice lease ' || $1, 0)";

/** Whoever is named in the lease. Backend pids are used again, so the start time must match too. */
const END_NAMED = `
SELECT pg_terminate_backend(a.pid) FROM pg_stat_activity a JOIN sluice.lease l
  ON (a.pid, a.backend_start) IN ((l.writer_pid, l.writer_started), (l.heartbeat_pid, l.heartbeat_started))
WHERE l.ingestion = $1 AND a.pid <> pg_backend_pid()`;

/** Whoever has the lease's lock: one that has only just taken it is not named yet. */
const END_LOCKING = `
SELECT pg_terminate_backend(pid) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
WHERE locktype = 'advisory' AND granted AND datname = current_database() AND objsubid = 1 AND pid <> pg_backend_pid()
  AND (classid::bigint << 32) | l.objid::bigint = ${KEY}`;

/**
 * Until the end of the transaction no run takes the lease, and none that had it before commits. False: one holds it and lives, or is not given up yet.
 */
export async function shutOut(client: Client, ingestionId: string): Promise<boolean> {
  await client.query('INSERT INTO sluice.lease (ingestion) VALUES ($1) ON CONFLICT DO NOTHING', [ingestionId]);
  const free = await client.query<{ free: boolean }>(
    `SELECT pg_try_advisory_xact_lock(${KEY}) OR expires_at < clock_timestamp() AS free
     FROM sluice.lease WHERE ingestion = $2`,
    [ingestionId, ingestionId],
  );
  if (free.rows[0]?.free !== true) return false;
  await raiseFence(client, ingestionId);
  return true;
}

/** The same, whoever holds the lease: their backends are ended, as by a take-over. Raises `DestinationError` when that takes too long. */
export async function endHolders(client: Client, ingestionId: string): Promise<void> {
  await client.query('INSERT INTO sluice.lease (ingestion) VALUES ($1) ON CONFLICT DO NOTHING', [ingestionId]);
  for (let tries = 0; !(await locked(client, ingestionId)); tries += 1) {
    if (tries === TRIES) throw unending(ingestionId);
    await client.query(END_LOCKING, [ingestionId]);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  // A writer may outlive its keeper.
  await client.query(END_NAMED, [ingestionId]);
  await raiseFence(client, ingestionId);
}

/** The same for one run. False when another one has the lease by now, or none. */
export async function endHoldersFor(client: Client, ingestionId: string, runId: string): Promise<boolean> {
  if (!(await holds(client, ingestionId, runId))) return false;
  for (let tries = 0; !(await locked(client, ingestionId)); tries += 1) {
    if (tries === TRIES) throw unending(ingestionId);
    if (!(await holds(client, ingestionId, runId))) return false;
    await client.query(END_NAMED, [ingestionId]);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  await client.query(END_NAMED, [ingestionId]);
  await raiseFence(client, ingestionId);
  return true;
}

async function holds(client: Client, ingestionId: string, runId: string): Promise<boolean> {
  const statement = 'SELECT FROM sluice.lease WHERE ingestion = $1 AND run = $2';
  return (await client.query(statement, [ingestionId, runId])).rowCount === 1;
}

async function locked(client: Client, ingestionId: string): Promise<boolean> {
  const statement = `SELECT pg_try_advisory_xact_lock(${KEY}) AS locked`;
  return (await client.query<{ locked: boolean }>(statement, [ingestionId])).rows[0]?.locked === true;
}

/** Waits for a commit under way; after it no older fence commits. */
async function raiseFence(client: Client, ingestionId: string): Promise<void> {
  await client.query('SELECT 1 FROM sluice.lease WHERE ingestion = $1 FOR UPDATE', [ingestionId]);
  await client.query('UPDATE sluice.lease SET fence = fence + 1 WHERE ingestion = $1', [ingestionId]);
}

function unending(ingestionId: string): DestinationError {
  return new DestinationError(
    'destination',
    `The run that writes for ingestion ${ingestionId} did not end within ${(TRIES * PAUSE_MS) / 1000} s. Try again in a moment.`,
    'later',
  );
}
