export interface Answer {
  status: number | 'none';
  /** When it was asked, ms since the start. */
  at: number;
  /** How long the answer took. */
  ms: number;
}

export interface Phase {
  name: string;
  from: number;
  to: number;
  /** A fault begins with it; else one ends, or it is calm. */
  isFault: boolean;
  /** How long nobody at all answers. */
  outageMs: number;
}

/**
 * Milliseconds from the beginning of a phase (or the end of its outage) until the last request was sent that was answered 503; `null`: none was.
 * What was sent just before a fault and was still without an answer when it began suffers from that fault and counts as sent at once.
 */
export function last503(answers: readonly Answer[], phase: Phase, phases: readonly Phase[]): number | null {
  const late = answers
    .filter((it) => it.status === 503 && phaseOf(it, phases) === phase)
    .map(({ at }) => at - phase.from);
  return late.length === 0 ? null : Math.max(0, Math.max(...late) - phase.outageMs);
}

function phaseOf({ at, ms }: Answer, phases: readonly Phase[]): Phase | undefined {
  const struck = phases.find(({ isFault, from }) => isFault && from > at && from <= at + ms);
  return struck ?? phases.find(({ from, to }) => at >= from && at < to);
}
