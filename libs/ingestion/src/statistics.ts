import { Injectable } from '@nestjs/common';
import { rowsOf } from '@sluice/database';
import { DataSource } from 'typeorm';
import { TOLD_WITHIN_SECONDS } from './events/event';
import { IS_STALE_SQL, WATCHED_SQL } from './freshness';
import type { RunStatus, RunTrigger } from './types';

/** Ingestions that are shown one by one, at most. */
export const SHOWN_INGESTIONS = 500;

/** What the control database says at one moment; the same for every process that asks. */
export interface SluiceStatistics {
  /** By status; those not wholly created are left out. */
  ingestions: Record<string, number>;
  stale: number;
  failing: number;
  driftSuspected: number;
  /** Of the ingestions there are: falls when one is deleted. */
  ticks: { missed: number; superseded: number; overlap_skipped: number };
  activeRuns: { queued: number; running: number };
  /** Of all runs that ever ended: never falls. */
  endedRuns: EndedRuns[];
  tombstones: { all: number; due: number };
  /** `givenUp`: within the last day, after at least one attempt. */
  events: { pending: number; givenUp: number };
  /** Those with a limit of age, and those that fail; the ones that have failed most first, at most `SHOWN_INGESTIONS`. */
  watched: WatchedIngestion[];
  /** How many of them are left out. */
  unshown: number;
}

export interface EndedRuns {
  trigger: RunTrigger;
  status: RunStatus;
  runs: number;
  rows_ingested: number;
  rows_rejected: number;
  bytes_read: number;
  /** Of those that had started: their durations, summed. */
  seconds: number;
  /** Of those: how many lasted no longer than each bound of `DURATION_BOUNDS`; the last counts them all. */
  buckets: number[];
}

export interface WatchedIngestion {
  id: string;
  name: string;
  consecutive_failures: number;
  /** `null` where no limit of age is watched. */
  stale: boolean | null;
  /** Seconds since its data was last known to be fresh. */
  age_seconds: number;
}

const COUNTS = `
WITH one AS (
  SELECT status, consecutive_failures, drift_suspected OR late_calls_until IS NOT NULL AS drift_suspected, missed, superseded, overlap_skipped, ${IS_STALE_SQL} AS stale
  FROM sluice_control.ingestion WHERE status <> 'provisioning'
)
SELECT
  (SELECT coalesce(jsonb_object_agg(status, n), '{}') FROM (SELECT status, count(*) AS n FROM one GROUP BY status) s) AS ingestions,
  (SELECT jsonb_build_array(count(*) FILTER (WHERE stale), count(*) FILTER (WHERE consecutive_failures > 0),
    count(*) FILTER (WHERE drift_suspected), coalesce(sum(missed), 0), coalesce(sum(superseded), 0), coalesce(sum(overlap_skipped), 0))
    FROM one) AS sums,
  (SELECT coalesce(jsonb_object_agg(status, n), '{}') FROM (SELECT status, count(*) AS n FROM sluice_control.run
    WHERE status IN ('queued', 'running') GROUP BY status) r) AS active,
  (SELECT coalesce(jsonb_agg(to_jsonb(t) ORDER BY trigger, status), '[]') FROM sluice_control.run_total t) AS ended,
  (SELECT jsonb_build_object('all', count(*), 'due', count(*) FILTER (WHERE next_attempt_at <= now()))
    FROM sluice_control.tombstone) AS tombstones,
  (SELECT jsonb_build_object('pending', count(*) FILTER (WHERE recent), 'givenUp', count(*) FILTER (WHERE NOT recent AND attempts > 0))
    FROM (SELECT attempts, created_at > now() - make_interval(secs => ${TOLD_WITHIN_SECONDS}) AS recent FROM sluice_control.event
      WHERE delivered_at IS NULL AND created_at > now() - make_interval(secs => 2 * ${TOLD_WITHIN_SECONDS})) e) AS events`;

const WATCHED = `
SELECT id, name, consecutive_failures, CASE WHEN ${WATCHED_SQL} THEN ${IS_STALE_SQL} END AS stale,
  extract(epoch FROM now() - fresh_at)::float8 AS age_seconds, (count(*) OVER ())::integer AS of
FROM sluice_control.ingestion
WHERE status <> 'provisioning' AND (consecutive_failures > 0 OR ${WATCHED_SQL})
ORDER BY consecutive_failures DESC, fresh_at, id LIMIT $1`;

interface Counts extends Pick<SluiceStatistics, 'ingestions' | 'tombstones' | 'events'> {
  sums: [number, number, number, number, number, number];
  active: Partial<SluiceStatistics['activeRuns']>;
  ended: EndedRuns[];
}

/** What a monitor wants to know, in two statements. */
@Injectable()
export class Statistics {
  constructor(private readonly dataSource: DataSource) {}

  async read(): Promise<SluiceStatistics> {
    const [counts] = (await rowsOf<Counts>(this.dataSource, COUNTS)) as [Counts];
    const watched = await rowsOf<WatchedIngestion & { of: number }>(this.dataSource, WATCHED, [SHOWN_INGESTIONS]);
    const [stale, failing, driftSuspected, missed, superseded, overlap_skipped] = counts.sums;
    const { ingestions, tombstones, events, active, ended: endedRuns } = counts;
    return {
      ...{ ingestions, tombstones, events, endedRuns, stale, failing, driftSuspected, watched },
      ticks: { missed, superseded, overlap_skipped },
      activeRuns: { queued: active.queued ?? 0, running: active.running ?? 0 },
      unshown: (watched[0]?.of ?? 0) - watched.length,
    };
  }
}
