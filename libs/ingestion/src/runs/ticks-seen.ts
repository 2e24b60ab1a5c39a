import type { IngestionRow } from '../ingestion.entity';

/** What was due before an ingestion was made, resumed or given another timetable is not missed: ticks count from now on. */
export function ticksFromNow(): Pick<IngestionRow, 'ticks_seen_until'> {
  return { ticks_seen_until: new Date() };
}
