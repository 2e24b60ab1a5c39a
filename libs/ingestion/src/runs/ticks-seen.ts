import { rowsOf, type SqlRunner } from '@sluice/database';
import { DATABASE_NOW, type RowChanges } from '../ingestion.entity';
import { isDoubtful, lastFireTime } from '../rules/fire-times';
import { timetableOf } from '../rules/schedule';
import type { ScheduleSpec } from '../types';

/**
 * Prefect plans an hour or three runs ahead and plans anew within seconds of any change; its scheduler looks each minute. A tick that has
 * no flow run so long after its time never gets one, ms.
 */
export const SETTLED_MS = 120_000;

/** What was due before an ingestion was made, resumed or given another timetable is not missed: ticks count from now on. */
export function ticksFromNow(): Pick<RowChanges, 'ticks_seen_until'> {
  return { ticks_seen_until: DATABASE_NOW };
}

/** The last tick after `tick` that Prefect has planned by now or never will; `null`: there is none, or it may be told otherwise by Prefect. */
export function lastSettled(schedule: ScheduleSpec | null, tick: Date, now: Date): Date | null {
  const timetable = schedule && timetableOf(schedule);
  const last = timetable && lastFireTime(timetable, tick, new Date(now.getTime() - SETTLED_MS));
  return last && !isDoubtful(timetable.timezone, last) ? last : null;
}

/** Whether `UnplannedTicks` has yet to look at this tick of the run's ingestion, and will find no run of ours for it or later. */
export async function isUnseen(sql: SqlRunner, runId: string, tick: Date): Promise<boolean> {
  return (await rowsOf(sql, UNSEEN, [runId, tick])).length > 0;
}

const UNSEEN = `
SELECT 1 FROM sluice_control.run mine JOIN sluice_control.ingestion i ON i.id = mine.ingestion_id
WHERE mine.id = $1 AND i.status = 'active' AND NOT i.drift_suspected AND i.ticks_seen_until < $2
  AND NOT EXISTS (SELECT FROM sluice_control.run o WHERE o.ingestion_id = i.id AND o.trigger = 'scheduled' AND o.planned_at >= $2)`;
