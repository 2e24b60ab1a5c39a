import type { Client } from 'pg';
import { Fenced } from '../../errors';
import type { LedgerEntry, LoadedFile } from '../destination';

/** Who writes, and what proves that they still may. */
export interface Holder {
  ingestionId: string;
  runId: string;
  fence: string;
}

const INSERT = `
INSERT INTO sluice.ledger (load_id, ingestion, path, version, fingerprint, rows, rejected, bytes, run, fence)
SELECT load_id, $1, path, version, fingerprint, rows, rejected, bytes, $2, $3
FROM unnest($4::bigint[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::bigint[], $10::bigint[])
  AS f (load_id, path, version, fingerprint, rows, rejected, bytes)
ON CONFLICT (ingestion, path) DO NOTHING`;

const SINCE = `
SELECT load_id AS "loadId", path, version, rows::float8, rejected::float8, bytes::float8, run AS "runId" FROM sluice.ledger
WHERE ingestion = $1 AND load_id > $2 ORDER BY load_id LIMIT $3`;

/**
 * Proves that the lease is still ours until the transaction ends: a take-over waits for this lock, or has raised the fence and we find no row.
 * Raises `Fenced`.
 */
export async function proveFence(client: Client, { ingestionId, fence }: Holder): Promise<void> {
  const statement = 'SELECT 1 FROM sluice.lease WHERE ingestion = $1 AND fence = $2 FOR KEY SHARE';
  const proof = await client.query(statement, [ingestionId, fence]);
  if (proof.rowCount !== 1) throw new Fenced();
}

/** Notes the files as in; what failed of them before is forgotten. Raises `Fenced` when the ledger holds one already. */
export async function writeLedger(client: Client, loaded: readonly LoadedFile[], holder: Holder): Promise<void> {
  if (loaded.length === 0) return;
  const paths = loaded.map(({ entry }) => entry.path);
  const inserted = await client.query(INSERT, [
    holder.ingestionId,
    holder.runId,
    holder.fence,
    loaded.map(({ loadId }) => loadId.toString()),
    paths,
    loaded.map(({ version }) => version),
    loaded.map(({ entry }) => entry.fingerprint),
    loaded.map(({ rows }) => rows),
    loaded.map(({ rejected }) => rejected),
    loaded.map(({ entry }) => entry.bytes),
  ]);
  if (inserted.rowCount !== loaded.length) throw new Fenced('The ledger already holds a file of this batch');
  const recovered = 'DELETE FROM sluice.failed_file WHERE ingestion = $1 AND path = ANY ($2)';
  await client.query(recovered, [holder.ingestionId, paths]);
}

/** A file's earlier version is no longer in. */
export async function forgetLoad(client: Client, ingestionId: string, loadId: string): Promise<void> {
  const key = [ingestionId, loadId];
  await client.query('DELETE FROM sluice.ledger WHERE ingestion = $1 AND load_id = $2', key);
  await client.query('DELETE FROM sluice.rejected_row WHERE ingestion = $1 AND load_id = $2', key);
}

/** Empties the history of an ingestion, but for the loads of the transaction under way: they have these ids. */
export async function forgetOtherLoads(client: Client, ingestionId: string, kept: readonly string[]): Promise<void> {
  await client.query('DELETE FROM sluice.ledger WHERE ingestion = $1', [ingestionId]);
  const rejected = `DELETE FROM sluice.rejected_row r WHERE ingestion = $1
    AND NOT EXISTS (SELECT FROM unnest($2::bigint[]) AS k (load_id) WHERE k.load_id = r.load_id)`;
  await client.query(rejected, [ingestionId, kept]);
}

export async function ledgerSince(
  client: Client,
  ingestionId: string,
  after: string | null,
  limit: number,
): Promise<LedgerEntry[]> {
  return (await client.query<LedgerEntry>(SINCE, [ingestionId, after ?? '0', limit])).rows;
}
