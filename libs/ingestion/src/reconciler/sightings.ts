/** Of the time between two looks this much counts at most, ms: longer pauses are outages, of the database or of this process. */
const LONGEST_GAP_MS = 10_000;

/**
 * How long things have been seen as they are. What counts is only the time in which somebody looked and saw the same, so that an outage in which
 * nobody could speak makes nobody look dead. In memory: whoever leads next starts anew, which gives more time and never less.
 */
export class Sightings {
  private seen = new Map<string, { as: string; ms: number }>();
  private last: number | null = null;

  /** What is there now, each with how it is; resolves for each how long it has been so, ms. What is not there is forgotten. */
  look(things: Iterable<readonly [id: string, as: string]>, now: number): Map<string, number> {
    const passed = this.last === null ? 0 : Math.min(Math.max(0, now - this.last), LONGEST_GAP_MS);
    this.last = now;
    const seen = new Map<string, { as: string; ms: number }>();
    for (const [id, as] of things) {
      const before = this.seen.get(id);
      seen.set(id, { as, ms: before?.as === as ? before.ms + passed : 0 });
    }
    this.seen = seen;
    return new Map([...seen].map(([id, { ms }]) => [id, ms]));
  }
}
