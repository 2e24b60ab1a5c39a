import type { OrchestrationReason } from '@sluice/kernel';

/** How long one success speaks for Prefect. */
const GOOD_FOR_MS = 15_000;
const HITS_TO_RISE = 2;
const MISSES_TO_FALL = 2;

/**
 * The live flag. Two misses turn it false and two hits true again; the very first hit suffices, since before it there is nothing to
 * flap between and a start should be fast. Without a success in the last 15 s it is false whatever came before.
 */
export class Readiness {
  #up = false;
  #streak = 0;
  #lastHit: Date | null = null;
  #lastProbe: Date | null = null;
  #turnedAt: Date | null = null;
  #reason: OrchestrationReason = 'not_initialized';

  get lastProbeAt(): Date | null {
    return this.#lastProbe;
  }

  /** The last success. */
  get lastHitAt(): Date | null {
    return this.#lastHit;
  }

  /** The last probe missed, so the next one should come soon. */
  get isMissing(): boolean {
    return this.#streak < 0;
  }

  hit(at: Date): void {
    const needed = this.#lastHit === null ? 1 : HITS_TO_RISE;
    this.#lastProbe = at;
    this.#lastHit = at;
    this.#streak = Math.max(0, this.#streak) + 1;
    // What is wrong if nothing more comes.
    this.#reason = 'timeout';
    if (this.#streak >= needed) this.#turn(true, at);
  }

  miss(at: Date, reason: OrchestrationReason): void {
    this.#lastProbe = at;
    this.#reason = reason;
    this.#streak = Math.min(0, this.#streak) - 1;
    if (-this.#streak >= MISSES_TO_FALL) this.#turn(false, at);
  }

  /** Since when it is what it is now; `null` before the first probe. */
  since(now: Date): Date | null {
    if (!this.#up || this.isUp(now) || this.#lastHit === null) return this.#turnedAt;
    return new Date(this.#lastHit.getTime() + GOOD_FOR_MS);
  }

  isUp(now: Date): boolean {
    return this.#up && this.#lastHit !== null && now.getTime() - this.#lastHit.getTime() <= GOOD_FOR_MS;
  }

  /** Why it is not up; `null` while it is. */
  reason(now: Date): OrchestrationReason | null {
    return this.isUp(now) ? null : this.#reason;
  }

  #turn(up: boolean, at: Date): void {
    if (up !== this.#up || this.#turnedAt === null) this.#turnedAt = at;
    this.#up = up;
  }
}
