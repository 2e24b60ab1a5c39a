import type { Clock } from '@sluice/kernel';
import type { PrefectClient } from '../prefect/client';
import type { FlowRuns } from './flow-runs';

/** The whole time of one question; it goes on when its readers no longer wait. */
const QUESTION_MS = 1_000;
/** A reader waits this long for an answer of a Prefect that is well, counted from the question, and not at all once one question failed or took longer. */
const PATIENCE_MS = 300;
/** How long an answer is taken as it is, and how long a planned time is given while it is asked for again: another replica may change it. */
const FRESH_MS = 1_500;
const GIVEN_MS = 10_000;
/** Between two questions to a Prefect that left one unanswered. */
const AGAIN_MS = 250;
const REMEMBERED = 20_000;

interface Answer {
  time: Date | null;
  /** `Clock.elapsed`. */
  at: number;
}

/**
 * When each deployment runs next, for readers, who must stay fast whatever Prefect does. Concurrent readers share one question. A time that
 * was learned earlier is given while Prefect cannot be asked, as long as it lies in the future and nobody changed the deployment through us.
 */
export class NextRuns {
  readonly #known = new Map<string, Answer>();
  readonly #asking = new Map<string, Promise<void>>();
  #troubledSince: number | null = null;

  constructor(
    private readonly flowRuns: FlowRuns,
    private readonly prefect: PrefectClient,
    private readonly clock: Clock,
    /** Prefect was looked at and cannot be used. */
    private readonly isDown: () => boolean,
  ) {}

  /** Never throws. Absent: none is planned, or nobody knows. */
  async of(ids: readonly string[]): Promise<Map<string, Date>> {
    const old = ids.filter((id) => this.#ageOf(id) >= FRESH_MS);
    if (old.length > 0 && !this.isDown()) {
      const asked = this.#ask(old);
      if (old.some((id) => this.#mustWait(id))) await asked;
    }
    return this.#remembered(ids);
  }

  /** The deployment was changed: what was known, and what is being asked, is no longer true. */
  forget(id: string): void {
    this.#known.delete(id);
    this.#asking.delete(id);
  }

  get #now(): number {
    return this.clock.elapsed();
  }

  #isAhead(time: Date | null | undefined): time is Date {
    return time != null && time > this.clock.now();
  }

  #ageOf(id: string): number {
    return this.#now - (this.#known.get(id)?.at ?? -Infinity);
  }

  #mustWait(id: string): boolean {
    const isPlanned = this.#isAhead(this.#known.get(id)?.time);
    return this.#troubledSince === null && !(isPlanned && this.#ageOf(id) < GIVEN_MS);
  }

  #remembered(ids: readonly string[]): Map<string, Date> {
    const times = ids.map((id) => [id, this.#known.get(id)?.time] as const);
    return new Map(times.filter((pair): pair is [string, Date] => this.#isAhead(pair[1])));
  }

  #ask(ids: readonly string[]): Promise<unknown> {
    const unasked = ids.filter((id) => !this.#asking.has(id));
    if (unasked.length > 0 && this.#mayAsk()) this.#begin(unasked);
    return Promise.all(ids.flatMap((id) => this.#asking.get(id) ?? []));
  }

  /** One question at a time while Prefect is in trouble. */
  #mayAsk(): boolean {
    if (this.#troubledSince === null) return true;
    if (this.#asking.size > 0 || this.#now - this.#troubledSince < AGAIN_MS) return false;
    this.#troubledSince = this.#now;
    return true;
  }

  #begin(ids: string[]): void {
    const answered: Promise<Map<string, Date> | null> = this.#question(ids).catch(() => null);
    const question: Promise<void> = Promise.race([answered, this.#outOfPatience(answered)]).then(() => undefined);
    for (const id of ids) this.#asking.set(id, question);
    void answered.then((times) => {
      this.#troubledSince = times === null ? this.#now : null;
      for (const id of ids.filter((each) => this.#asking.get(each) === question)) {
        this.#asking.delete(id);
        if (times) this.#remember(id, times.get(id) ?? null);
      }
    });
  }

  #question(ids: string[]): Promise<Map<string, Date>> {
    return this.flowRuns.plannedTimes(ids, this.prefect.onlyOnce(QUESTION_MS));
  }

  async #outOfPatience(answered: Promise<unknown>): Promise<void> {
    const over = new AbortController();
    void answered.then(() => {
      over.abort(new Error('answered'));
    });
    const isLate = await this.clock.sleep(PATIENCE_MS, over.signal).then(
      () => true,
      () => false,
    );
    if (isLate) this.#troubledSince ??= this.#now;
  }

  #remember(id: string, time: Date | null): void {
    this.#known.delete(id);
    this.#known.set(id, { time, at: this.#now });
    if (this.#known.size <= REMEMBERED) return;
    const [oldest] = this.#known.keys();
    if (oldest !== undefined) this.#known.delete(oldest);
  }
}
