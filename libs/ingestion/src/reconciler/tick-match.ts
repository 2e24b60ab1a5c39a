import { DOUBT_MS, isDoubtful } from '../rules/fire-times';

/**
 * Whether one of the planned times stands for this tick. Ours and Prefect's sum agree to the second, except near a change of clocks: there any
 * planned time near it counts, since a tick must not be missed because two programs read a clock otherwise.
 */
export function accountedFor(tick: Date, planned: readonly Date[], timezone: string): boolean {
  const tolerance = isDoubtful(timezone, tick) ? DOUBT_MS : 0;
  return planned.some((at) => Math.abs(at.getTime() - tick.getTime()) <= tolerance);
}

/** What to read of Prefect's plan to account for all ticks from `first` to `now`. */
export function rangeToRead(first: Date, now: Date, timezone: string): { from: Date; until: Date } {
  const doubt = isDoubtful(timezone, first) ? DOUBT_MS : 0;
  return { from: new Date(first.getTime() - doubt), until: new Date(now.getTime() + DOUBT_MS) };
}
