import type { Clock } from '@sluice/kernel';
import type { PrefectClient } from '../prefect/client';
import type { Canary } from './canary';

const CHECK_MS = 2_000;
/** How long a plan rests once it was seen. */
const REST_MS = 10_000;
/**
 * Prefect's scheduler looks each 5 s for deployments changed in the last 6 s, and each 60 s at all. A change that it missed, because it was late, is
 * repeated, so that it can only be missed by one that does nothing at all.
 */
const AGAIN_MS = 4_000;
/** A scheduler that planned nothing for so long, while we could ask, is dead. With the rest it is known within 45 s of its death. */
const DEAD_MS = 25_000;
/** Longer between two looks and nobody knows what was in between. */
const GAP_MS = 12_000;
/** What was found is no longer told when it could not be looked at for so long. */
const TOLD_MS = 15_000;

export type SchedulerState = 'alive' | 'dead' | 'unknown';

/**
 * Whether Prefect's scheduler lives, judged by its work on the canary: Prefect's own `/health` and `/ready` stay green when it is dead, and what it planned
 * ahead for timetables stays there for hours or days.
 */
export class SchedulerCheck {
  #found: SchedulerState = 'unknown';
  #lastLook = -Infinity;
  #silentMs = 0;
  /** The canary's last change as Prefect tells it, and when we saw it first. */
  #change = { at: 0, seenAt: 0 };

  constructor(
    private readonly prefect: PrefectClient,
    private readonly canary: Canary,
    private readonly clock: Clock,
  ) {}

  /** To be called each few seconds. `unknown` until a plan was seen, or none for 25 s. Never throws. */
  async look(): Promise<SchedulerState> {
    try {
      await this.#look();
    } catch {
      if (this.#now - this.#lastLook > TOLD_MS) this.#found = 'unknown';
    }
    return this.#found;
  }

  get #now(): number {
    return this.clock.elapsed();
  }

  async #look(): Promise<void> {
    const budget = this.prefect.budget(CHECK_MS);
    const canary = await this.canary.read(this.clock.now(), budget);
    const isPlanned = await this.canary.isPlanned(canary, budget);
    const rested = this.#now - this.#seen(canary.updated);
    this.#judge(isPlanned);
    if (rested < (isPlanned ? REST_MS : AGAIN_MS)) return;
    await this.canary.disturb(canary, this.clock.now(), budget);
  }

  #seen(updated: Date): number {
    if (this.#change.at !== updated.getTime()) this.#change = { at: updated.getTime(), seenAt: this.#now };
    return this.#change.seenAt;
  }

  #judge(isPlanned: boolean): void {
    const passed = this.#now - this.#lastLook;
    this.#lastLook = this.#now;
    this.#silentMs = isPlanned ? 0 : this.#silentMs + (passed <= GAP_MS ? passed : 0);
    if (isPlanned) this.#found = 'alive';
    else if (this.#silentMs >= DEAD_MS) this.#found = 'dead';
  }
}
