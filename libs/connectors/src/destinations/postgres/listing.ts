import type { Client } from 'pg';
import type { SourceEntry } from '../../sources/source';
import type { ListingCounts } from '../destination';

/** The listing lives in a temporary table and is compared there: neither it nor the ledger is ever held in memory. */
const ROWS_PER_INSERT = 2000;

export const CREATE_LISTING = `
DROP TABLE IF EXISTS pg_temp.listing;
CREATE TEMPORARY TABLE listing (path text COLLATE "C" PRIMARY KEY, bytes bigint NOT NULL, fingerprint text NOT NULL)`;

export const FRESH = `
SELECT path, bytes::float8, fingerprint FROM pg_temp.listing l
WHERE path > $2 COLLATE "C" AND NOT EXISTS (SELECT FROM sluice.ledger g WHERE g.ingestion = $1 AND g.path = l.path)
ORDER BY path LIMIT $3`;

export const TOUCHED = `
SELECT l.path, l.bytes::float8, l.fingerprint, g.version, g.rows::float8, g.load_id AS "loadId" FROM pg_temp.listing l
JOIN sluice.ledger g ON g.ingestion = $1 AND g.path = l.path AND g.fingerprint <> l.fingerprint
WHERE l.path > $2 COLLATE "C" ORDER BY l.path LIMIT $3`;

const COUNTS = `
SELECT count(*)::float8 AS listed, coalesce(sum(l.bytes), 0)::float8 AS bytes,
  count(*) FILTER (WHERE g.path IS NULL)::float8 AS fresh,
  coalesce(sum(l.bytes) FILTER (WHERE g.path IS NULL), 0)::float8 AS "freshBytes"
FROM pg_temp.listing l LEFT JOIN sluice.ledger g ON g.ingestion = $1 AND g.path = l.path`;

export interface ListingRow {
  path: string;
  bytes: number;
  fingerprint: string;
}

export function toEntry({ path, bytes, fingerprint }: ListingRow): SourceEntry {
  return { path, bytes, fingerprint };
}

export async function stageAll(client: Client, listing: AsyncIterable<SourceEntry>): Promise<void> {
  let pending: SourceEntry[] = [];
  const flush = async () => {
    const columns = [
      pending.map(({ path }) => path),
      pending.map(({ bytes }) => bytes),
      pending.map(({ fingerprint }) => fingerprint),
    ];
    await client.query(
      'INSERT INTO pg_temp.listing SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[])',
      columns,
    );
    pending = [];
  };
  for await (const entry of listing) if (pending.push(entry) >= ROWS_PER_INSERT) await flush();
  await flush();
  await client.query('ANALYZE pg_temp.listing');
}

export async function compare(client: Client, ingestionId: string): Promise<ListingCounts> {
  const [counts] = (await client.query<ListingCounts>(COUNTS, [ingestionId])).rows;
  return counts ?? { listed: 0, bytes: 0, fresh: 0, freshBytes: 0 };
}
