import type { Client } from 'pg';
import type { SourceEntry } from '../../sources/source';
import type { ListingCounts, TouchedEntry, Verify } from '../destination';
import { type CopyField, copyText } from './copy-stream';
import { asDestinationError } from './pg-errors';

/** The listing lives in a temporary table and is compared there: neither it nor the ledger is ever held in memory. */
const CREATE = `
DROP TABLE IF EXISTS pg_temp.listing;
CREATE TEMPORARY TABLE listing (
  path text COLLATE "C" NOT NULL, bytes bigint NOT NULL, fingerprint text NOT NULL, modified_at float8, doubted boolean NOT NULL DEFAULT false
)`;
/** From now on no fingerprint proves anything. */
const DOUBT = 'ALTER TABLE pg_temp.listing ALTER COLUMN doubted SET DEFAULT true';
const COPY = 'COPY pg_temp.listing (path, bytes, fingerprint, modified_at) FROM STDIN';
const INDEX = 'ALTER TABLE pg_temp.listing ADD PRIMARY KEY (path); ANALYZE pg_temp.listing';

/** $1: the ingestion, $2: the settings. */
const KNOWN = 'sluice.ledger g ON g.ingestion = $1 AND g.path = l.path';
const HELD = `sluice.failed_file f ON f.ingestion = $1 AND f.path = l.path AND f.fingerprint = l.fingerprint
  AND f.settings = $2 AND (f.next_attempt_at IS NULL OR f.next_attempt_at > now())`;
const ENTRY = 'l.path, l.bytes::float8, l.fingerprint, l.modified_at AS "modifiedAt"';
/** Whether a known path changed perhaps. */
const TOUCHED_IF = '(g.fingerprint <> l.fingerprint OR l.doubted)';
/** $3: the path to go on after, $4: how many. Said of the ledger too: from its index's beginning, each page would take longer than the last. */
const PAGE = 'l.path > $3 COLLATE "C"';
const KNOWN_OF_PAGE = `${KNOWN} AND g.path > $3 COLLATE "C"`;
const ORDER = 'ORDER BY l.path LIMIT $4';

const FRESH = `
SELECT ${ENTRY} FROM pg_temp.listing l LEFT JOIN ${KNOWN_OF_PAGE} LEFT JOIN ${HELD}
WHERE ${PAGE} AND g.path IS NULL AND f.path IS NULL ${ORDER}`;
const LISTED = `SELECT ${ENTRY} FROM pg_temp.listing l WHERE l.path > $1 COLLATE "C" ORDER BY l.path LIMIT $2`;
const TOUCHED = `
SELECT ${ENTRY}, g.version, g.rows::float8, g.load_id AS "loadId" FROM pg_temp.listing l JOIN ${KNOWN_OF_PAGE} AND ${TOUCHED_IF} LEFT JOIN ${HELD}
WHERE ${PAGE} AND f.path IS NULL ${ORDER}`;

const COUNTS = `
WITH compared AS (
  SELECT l.bytes, g.path IS NOT NULL AS known, g.path IS NULL OR ${TOUCHED_IF} AS due, f.path IS NOT NULL AS held
  FROM pg_temp.listing l LEFT JOIN ${KNOWN} LEFT JOIN ${HELD}
)
SELECT count(*)::float8 AS listed, coalesce(sum(bytes), 0)::float8 AS bytes,
  count(*) FILTER (WHERE NOT known AND NOT held)::float8 AS fresh,
  coalesce(sum(bytes) FILTER (WHERE NOT known AND NOT held), 0)::float8 AS "freshBytes",
  count(*) FILTER (WHERE due AND held)::float8 AS held,
  count(*) FILTER (WHERE known AND due AND NOT held)::float8 AS touched,
  (SELECT count(*) FROM sluice.ledger g WHERE ingestion = $1 AND NOT EXISTS (SELECT FROM pg_temp.listing l WHERE l.path = g.path))::float8 AS vanished
FROM compared`;

/** The listing of one run, compared with the ledger of its ingestion. */
export class Listing {
  private settings = '';

  constructor(
    private readonly client: Client,
    private readonly ingestionId: string,
  ) {}

  /** `settings`: failures under others hold nothing back. What `entries` raises passes as it is. */
  async stage(entries: AsyncIterable<SourceEntry>, settings: string, verify: Verify): Promise<void> {
    this.settings = settings;
    await this.run(verify === 'full' ? `${CREATE}; ${DOUBT}` : CREATE);
    await copyText(this.client, COPY, fieldsOf(entries));
    await this.run(INDEX);
  }

  async counts(): Promise<ListingCounts> {
    const [counts] = (await this.client.query<ListingCounts>(COUNTS, [this.ingestionId, this.settings])).rows;
    if (counts === undefined) throw new TypeError('a query without GROUP BY has one row');
    return counts;
  }

  fresh(after: string | null, limit: number): Promise<SourceEntry[]> {
    return this.page(FRESH, after, limit);
  }

  touched(after: string | null, limit: number): Promise<TouchedEntry[]> {
    return this.page(TOUCHED, after, limit);
  }

  async listed(after: string | null, limit: number): Promise<SourceEntry[]> {
    return (await this.client.query<SourceEntry>(LISTED, [after ?? '', limit])).rows;
  }

  /** The content of a path is what the ledger says. */
  async prove(path: string): Promise<void> {
    await this.client.query('UPDATE pg_temp.listing SET doubted = false WHERE path = $1 AND doubted', [path]);
  }

  private async run(statement: string): Promise<void> {
    await this.client.query(statement).catch((error: unknown) => {
      throw asDestinationError(error);
    });
  }

  private async page<T extends SourceEntry>(statement: string, after: string | null, limit: number): Promise<T[]> {
    return (await this.client.query<T>(statement, [this.ingestionId, this.settings, after ?? '', limit])).rows;
  }
}

async function* fieldsOf(entries: AsyncIterable<SourceEntry>): AsyncGenerator<readonly CopyField[]> {
  for await (const { path, bytes, fingerprint, modifiedAt } of entries) yield [path, bytes, fingerprint, modifiedAt];
}
