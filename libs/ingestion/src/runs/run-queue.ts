import { Injectable } from '@nestjs/common';
import { patiently, rowsOf, type SqlRunner } from '@sluice/database';
import { Clock } from '@sluice/kernel';
import { DataSource } from 'typeorm';
import { takenIndex } from '../faults';
import { ADD_TO_TOTALS } from './run-counts';
import { runError } from './run-moves';
import { ALIVE_SECONDS } from './run-settlement';
import type { RunRow } from './run.entity';
import { storedJson } from '../stored-json';
import { isUnseen } from './ticks-seen';
import type { IngestionStatus, RunStatus, ScheduleSpec } from '../types';

/** What is counted on the ingestion when a tick ends without a run. */
export type TickCounter = 'missed' | 'superseded' | 'overlap_skipped';

/** Where a queued run stands among the others of its ingestion. */
export interface Turn {
  status: RunStatus;
  place: RunRow['place'];
  /** The tick it is for; `null` when no timetable started it. */
  planned_at: Date | null;
  /** Milliseconds from its tick until it was queued. */
  late_ms: number;
  ingestion_status: IngestionStatus;
  schedule: ScheduleSpec | null;
  /** The queued run that comes before it. */
  ahead: string | null;
  /** What somebody ended it for. */
  because: string | null;
}

/**
 * Whose turn it is. A queued run is undecided until it has a place: `next` may try the lease, `waiting` comes after. The unique indexes
 * `run_next` and `run_waiting` see to it that there is one of each at most, whoever asks at once; the lease alone decides who loads.
 * Every call waits through an outage of the control database of up to a minute, and may be repeated.
 */
@Injectable()
export class RunQueue {
  constructor(
    private readonly dataSource: DataSource,
    private readonly clock: Clock,
  ) {}

  /** Also the heartbeat of a queued run. `null`: it is gone with its ingestion. */
  async look(runId: string): Promise<Turn | null> {
    return (await this.rows<Turn>(LOOK, [runId]))[0] ?? null;
  }

  /** False: it has ended, or another one is next. */
  takeNext(runId: string): Promise<boolean> {
    return patiently(this.clock, () => takePlace(this.dataSource, runId, 'next'));
  }

  /** False: it has ended, or another one waits. */
  takeWaiting(runId: string): Promise<boolean> {
    return patiently(this.clock, () => takePlace(this.dataSource, runId, 'waiting'));
  }

  /** Its process ends and another one will come: until then nobody's heart beats for it. */
  async rest(runId: string): Promise<void> {
    await this.rows(REST, [runId]);
  }

  /** queued -> `status`, before anything was loaded; of a tick `counter` grows with it, once. False: it was not queued any more. */
  leave(
    runId: string,
    status: 'skipped' | 'cancelled',
    counter: TickCounter | null,
    because: string | null,
  ): Promise<boolean> {
    return patiently(this.clock, async (again) => {
      if (await leaveQueue(this.dataSource, runId, status, counter, because)) return true;
      return again && (await rowsOf(this.dataSource, IS_AT, [runId, status])).length === 1;
    });
  }

  /** The same for the row of a flow run, if it has one. */
  async leaveAs(flowRunId: string, because: string): Promise<void> {
    const sql = `SELECT id FROM sluice_control.run WHERE flow_run_id = $1 AND status = 'queued'`;
    const [run] = await this.rows<{ id: string }>(sql, [flowRunId]);
    if (run) await this.leave(run.id, 'cancelled', null, because);
  }

  /** Ticks before this one that are still undecided end here: the later one is the one to run. */
  async supersedeOlder(runId: string): Promise<void> {
    await this.rows(SUPERSEDE_OLDER, [runId, errorsOf(SUPERSEDED)]);
  }

  /** Has a later tick got a run that runs, ran or is about to? */
  async hasLater(runId: string): Promise<boolean> {
    return (await this.rows(LATER, [runId])).length > 0;
  }

  /** Is this later tick one that the reconciler will start, unless Prefect has planned it or one after it? */
  hasUnseen(runId: string, tick: Date): Promise<boolean> {
    return patiently(this.clock, () => isUnseen(this.dataSource, runId, tick));
  }

  /** What `overlap_policy` replace ends before this run begins. */
  replaceable(runId: string): Promise<Pick<RunRow, 'id' | 'flow_run_id'>[]> {
    return this.rows(REPLACEABLE, [runId]);
  }

  /** To be called when Prefect was told to cancel it: a queued one ends here, and each is counted once. */
  async replaced(runId: string): Promise<void> {
    await patiently(this.clock, () => countReplaced(this.dataSource, runId));
  }

  /** Is another run of its ingestion active? */
  async hasOther(runId: string): Promise<boolean> {
    return (await this.rows(OTHER, [runId])).length > 0;
  }

  /** The run of its ingestion that runs, if one's process was heard of lately: it may be without a lease for a while. */
  async livingBeside(runId: string): Promise<string | null> {
    return (await this.rows<{ id: string }>(LIVING, [runId, ALIVE_SECONDS]))[0]?.id ?? null;
  }

  isActive(runId: string): Promise<boolean> {
    return patiently(this.clock, () => isActive(this.dataSource, runId));
  }

  private rows<Row>(sql: string, values: unknown[]): Promise<Row[]> {
    return patiently(this.clock, () => rowsOf<Row>(this.dataSource, sql, values));
  }
}

export async function isActive(sql: SqlRunner, runId: string): Promise<boolean> {
  const statement = `SELECT FROM sluice_control.run WHERE id = $1 AND status IN ('queued', 'running')`;
  return (await rowsOf(sql, statement, [runId])).length > 0;
}

export const SUPERSEDED = 'superseded by a later tick';
const REPLACED = 'It was replaced by a later run (overlap_policy replace).';

/** queued -> skipped | cancelled, with the count on the ingestion in the same statement, so that it grows once. */
export async function leaveQueue(
  sql: SqlRunner,
  runId: string,
  status: 'skipped' | 'cancelled',
  counter: TickCounter | null,
  because: string | null,
): Promise<boolean> {
  const errors = because === null ? null : errorsOf(because);
  return (await rowsOf(sql, LEAVE, [runId, status, errors, counter])).length === 1;
}

export async function countReplaced(sql: SqlRunner, runId: string): Promise<void> {
  await sql.query(COUNT_REPLACED, [runId, errorsOf(REPLACED)]);
}

async function takePlace(sql: SqlRunner, runId: string, place: NonNullable<RunRow['place']>): Promise<boolean> {
  const statement = `UPDATE sluice_control.run SET place = $2 WHERE id = $1 AND status = 'queued' RETURNING id`;
  try {
    return (await rowsOf(sql, statement, [runId, place])).length === 1;
  } catch (error) {
    if (PLACES.has(takenIndex(error) ?? '')) return false;
    throw error;
  }
}

/** The unique indexes of the places. */
export const PLACES: ReadonlySet<string> = new Set(['run_next', 'run_waiting']);

function errorsOf(because: string): string {
  return storedJson([runError('NotRun', because, false)]);
}

const LOOK = `
UPDATE sluice_control.run r SET heartbeat_at = CASE WHEN r.status = 'queued' THEN now() ELSE r.heartbeat_at END
FROM sluice_control.ingestion i WHERE r.id = $1 AND i.id = r.ingestion_id
RETURNING r.status, r.place, r.errors->0->>'message' AS because, CASE WHEN r.trigger = 'scheduled' THEN r.planned_at END AS planned_at, i.status AS ingestion_status, i.schedule,
  coalesce(extract(epoch FROM r.created_at - r.planned_at) * 1000, 0)::float8 AS late_ms,
  (SELECT o.id FROM sluice_control.run o
   WHERE o.ingestion_id = r.ingestion_id AND o.id <> r.id AND o.status = 'queued'
     AND (o.place = 'next' OR (o.place = 'waiting' AND r.place IS NULL))
   ORDER BY o.place LIMIT 1) AS ahead`;

const REST = `UPDATE sluice_control.run SET heartbeat_at = NULL WHERE id = $1 AND status = 'queued'`;

/** The ingestion's row before the run's, as a deletion takes them. */
const OWNER = `SELECT id FROM sluice_control.ingestion WHERE id = (SELECT ingestion_id FROM sluice_control.run WHERE id = $1) FOR UPDATE`;

const LEAVE = `
WITH owner AS (${OWNER}), ended AS (
  UPDATE sluice_control.run r SET status = $2, ended_at = now(), errors = coalesce($3::jsonb, r.errors)
  FROM owner WHERE r.id = $1 AND r.ingestion_id = owner.id AND r.status = 'queued' RETURNING r.*
), total AS (${ADD_TO_TOTALS}), counted AS (
  UPDATE sluice_control.ingestion i SET missed = missed + ($4::text = 'missed')::int, superseded = superseded + ($4::text = 'superseded')::int,
    overlap_skipped = overlap_skipped + ($4::text = 'overlap_skipped')::int
  FROM ended WHERE i.id = ended.ingestion_id AND ended.planned_at IS NOT NULL AND $4::text IS NOT NULL
)
SELECT id FROM ended`;

/** After a try whose answer was lost: did it do its work? */
const IS_AT = `SELECT FROM sluice_control.run WHERE id = $1 AND status = $2`;

const SUPERSEDE_OLDER = `
WITH owner AS (${OWNER}), ended AS (
  UPDATE sluice_control.run r SET status = 'cancelled', ended_at = now(), errors = $2
  FROM owner, sluice_control.run mine
  WHERE mine.id = $1 AND r.ingestion_id = owner.id AND r.status = 'queued' AND r.place IS NULL AND r.trigger = 'scheduled'
    AND r.planned_at < mine.planned_at
  RETURNING r.*
), total AS (${ADD_TO_TOTALS})
UPDATE sluice_control.ingestion SET superseded = superseded + (SELECT count(*) FROM ended) WHERE id IN (SELECT ingestion_id FROM ended)`;

/** In an order, so that the index by tick is taken: mostly there is none, and all runs of the ingestion would be read to find that out. */
const LATER = `
SELECT 1 FROM sluice_control.run o
WHERE o.ingestion_id = (SELECT ingestion_id FROM sluice_control.run WHERE id = $1) AND o.trigger = 'scheduled'
  AND o.planned_at > (SELECT planned_at FROM sluice_control.run WHERE id = $1)
  AND (o.status IN ('queued', 'running') OR o.started_at IS NOT NULL)
ORDER BY o.planned_at DESC LIMIT 1`;

const OTHER = `
SELECT 1 FROM sluice_control.run mine JOIN sluice_control.run o USING (ingestion_id)
WHERE mine.id = $1 AND o.id <> mine.id AND o.status IN ('queued', 'running') LIMIT 1`;

const LIVING = `
SELECT o.id FROM sluice_control.run mine JOIN sluice_control.run o USING (ingestion_id)
WHERE mine.id = $1 AND o.id <> mine.id AND o.status = 'running' AND o.heartbeat_at > now() - make_interval(secs => $2)
ORDER BY o.heartbeat_at DESC LIMIT 1`;

const REPLACEABLE = `
SELECT o.id, o.flow_run_id FROM sluice_control.run mine JOIN sluice_control.run o USING (ingestion_id)
WHERE mine.id = $1 AND o.id <> mine.id AND o.status IN ('queued', 'running')
  AND (o.status = 'running' OR o.place IS NOT NULL OR (o.created_at, o.id) < (mine.created_at, mine.id))
ORDER BY o.created_at, o.id`;

/** A running one also hears of it from its row, should Prefect's word not reach it. */
const COUNT_REPLACED = `
WITH owner AS (${OWNER}), found AS (
  SELECT r.id, r.status FROM sluice_control.run r, owner WHERE r.id = $1 AND r.ingestion_id = owner.id FOR UPDATE OF r
), gone AS (
  UPDATE sluice_control.run r SET replaced = true, errors = CASE WHEN r.status = 'running' THEN r.errors ELSE $2::jsonb END,
    status = CASE WHEN r.status = 'queued' THEN 'cancelled' ELSE r.status END,
    ended_at = CASE WHEN r.status = 'queued' THEN now() ELSE r.ended_at END,
    cancel_requested_at = CASE WHEN r.status = 'running' THEN coalesce(r.cancel_requested_at, now()) ELSE r.cancel_requested_at END
  FROM found WHERE r.id = found.id AND NOT r.replaced AND r.status IN ('queued', 'running', 'cancelled')
  RETURNING r.*, found.status AS was
), ended AS (SELECT * FROM gone WHERE was = 'queued'), total AS (${ADD_TO_TOTALS})
UPDATE sluice_control.ingestion SET superseded = superseded + 1 WHERE id IN (SELECT ingestion_id FROM gone)`;
