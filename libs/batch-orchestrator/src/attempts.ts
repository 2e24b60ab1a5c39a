import { Fenced, LoadError } from '@sluice/connectors';
import { ControlDatabaseAway } from './faults';

const LONGEST_PAUSE_MS = 60_000;

export interface AttemptRules {
  /** Attempts in all, at least 1. */
  most: number;
  /** Before the second attempt, ms; doubled before each further one, one minute at most. */
  firstPauseMs: number;
  /** From 0 to 1: pauses are spread, so that many runs do not come back at the same moment. */
  random: () => number;
}

/** The pause before attempt `next` (from 2), ms. */
export function pauseBefore(next: number, { firstPauseMs, random }: AttemptRules): number {
  const pause = Math.min(LONGEST_PAUSE_MS, firstPauseMs * 2 ** (next - 2));
  return Math.round(pause * (0.75 + 0.5 * random()));
}

/**
 * Whether the same run may succeed if it begins anew: the world may have changed, nobody else has taken its place, and what it met has not been waited
 * for already.
 */
export function mayPass(fault: unknown): fault is LoadError {
  const waitsNoMore = fault instanceof Fenced || fault instanceof ControlDatabaseAway;
  return fault instanceof LoadError && fault.retry === 'later' && !waitsNoMore;
}
