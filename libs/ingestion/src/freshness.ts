import type { IngestionRow } from './ingestion.entity';
import type { Freshness } from './views';

/** Seconds; NULL where there is no limit. */
export const MAX_AGE_SQL = `(quality->>'max_age_seconds')::float8`;

/** Who paused an ingestion, or has not scheduled it, does not wait for its data. One that paused itself is waited for. */
export const WATCHED_SQL = `(quality->>'max_age_seconds' IS NOT NULL AND status IN ('active', 'error'))`;

/** From then on its data is stale. */
export const STALE_FROM_SQL = `(fresh_at + make_interval(secs => ${MAX_AGE_SQL}))`;

/** By the age of the data alone: the mark in the row only remembers that it was told. */
export const IS_STALE_SQL = `(${WATCHED_SQL} AND ${STALE_FROM_SQL} <= now())`;

type Aged = Pick<IngestionRow, 'status' | 'quality' | 'fresh_at'>;

/** The same, of a row that was read. */
export function freshnessOf({ status, quality, fresh_at }: Aged, now: Date): Freshness {
  const { max_age_seconds } = quality;
  if (max_age_seconds === null || !['active', 'error'].includes(status)) {
    return { status: 'unwatched', fresh_at, stale_since: null, max_age_seconds };
  }
  const from = new Date(fresh_at.getTime() + max_age_seconds * 1000);
  const isStale = from <= now;
  return { status: isStale ? 'stale' : 'fresh', fresh_at, stale_since: isStale ? from : null, max_age_seconds };
}
