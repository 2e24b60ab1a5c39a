import type { Client } from 'pg';
import { Fenced } from '../../errors';
import type { LoadedFile } from '../destination';

const INSERT = `
INSERT INTO sluice.ledger (load_id, ingestion, path, version, fingerprint, rows, bytes, run, fence)
SELECT load_id, $1, path, version, fingerprint, rows, bytes, $2, $3
FROM unnest($4::bigint[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::bigint[]) AS f (load_id, path, version, fingerprint, rows, bytes)
ON CONFLICT (ingestion, path) DO NOTHING`;

/**
 * The end of a batch: proves that the lease is still ours (a take-over waits for this lock, or has raised the fence and we find no row),
 * writes the ledger and commits. Raises `Fenced` with nothing committed.
 */
export async function commitLedger(
  client: Client,
  loaded: readonly LoadedFile[],
  holder: { ingestionId: string; runId: string; fence: string },
): Promise<void> {
  const proof = await client.query('SELECT 1 FROM sluice.lease WHERE ingestion = $1 AND fence = $2 FOR KEY SHARE', [
    holder.ingestionId,
    holder.fence,
  ]);
  if (proof.rowCount !== 1) throw new Fenced();
  const inserted = await client.query(INSERT, [
    holder.ingestionId,
    holder.runId,
    holder.fence,
    loaded.map(({ loadId }) => loadId.toString()),
    loaded.map(({ entry }) => entry.path),
    loaded.map(({ version }) => version),
    loaded.map(({ entry }) => entry.fingerprint),
    loaded.map(({ rows }) => rows),
    loaded.map(({ entry }) => entry.bytes),
  ]);
  if (inserted.rowCount !== loaded.length) throw new Fenced('The ledger already holds a file of this batch');
  await client.query('COMMIT');
}
