import type { Timetable } from '@sluice/orchestration-gateway';
import { Cron } from 'croner';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/**
 * When a timetable fires, by our own sum. Only for counting what Prefect has not planned: when something will run is Prefect's word, and
 * the two differ where clocks are changed (see `isDoubtful`). After `after`, up to `until`, the earliest `most` of them.
 */
export function fireTimes({ cron, timezone }: Timetable, after: Date, until: Date, most: number): Date[] {
  const clock = new Cron(cron, { timezone, mode: '5-part', paused: true });
  const times: Date[] = [];
  for (let at = clock.nextRun(after); at !== null && at <= until && times.length < most; at = clock.nextRun(at))
    times.push(at);
  return times;
}

/** The last of them all, however many there are; `null`: there is none. */
export function lastFireTime(timetable: Timetable, after: Date, until: Date): Date | null {
  for (let span = HOUR_MS; ; span *= 2) {
    const from = new Date(Math.max(after.getTime(), until.getTime() - span));
    const last = fireTimes(timetable, from, until, Infinity).at(-1);
    if (last !== undefined || from.getTime() === after.getTime()) return last ?? null;
  }
}

/**
 * From how late on a tick counts as missed, ms: a tenth of the time to the next one, so that what comes once a day may be later than what
 * comes each minute; at least a minute, since a worker's poll (10 s), Prefect's own mark for late (15 s) and a busy machine are no outage;
 * at most an hour.
 */
export function missedAfter(timetable: Timetable, tick: Date): number {
  const next = new Cron(timetable.cron, { timezone: timetable.timezone, mode: '5-part', paused: true }).nextRun(tick);
  const interval = next === null ? Infinity : next.getTime() - tick.getTime();
  return Math.min(HOUR_MS, Math.max(MINUTE_MS, interval / 10));
}

/** Clocks move by an hour, and what fires in the hour that is left out or comes twice is told otherwise by each cron, within this time of it. */
export const DOUBT_MS = 3 * HOUR_MS;

/** Near a change of the zone's offset. */
export function isDoubtful(timezone: string, at: Date): boolean {
  const [before, after] = [new Date(at.getTime() - DOUBT_MS), new Date(at.getTime() + DOUBT_MS)];
  return offset(timezone, before) !== offset(timezone, after);
}

function offset(timezone: string, at: Date): string {
  const parts = new Intl.DateTimeFormat('en-US', { timeZone: timezone, timeZoneName: 'longOffset' }).formatToParts(at);
  return parts.find(({ type }) => type === 'timeZoneName')?.value ?? '';
}
