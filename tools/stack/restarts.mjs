import { setTimeout as pause } from 'node:timers/promises';

const FIRST_MS = 1_000;
const LONGEST_MS = 60_000;
/** A part that ran for so long has nothing to do with how it died before. */
const STEADY_MS = 120_000;

/** @typedef {import('./parts.mjs').Part} Part */
/** @typedef {{ revive: () => Promise<unknown>, isAlive: (part: Part) => boolean, ending: boolean }} Revivable */

/**
 * Starts parts again that ended without being told to: after 1 s, and each time twice as long, 60 s at most, while they do not stay. Prefect's worker, for one,
 * ends by itself when its server is away for about 45 s (three tries at each of four intervals, which double from the one second it has here).
 */
export class Restarts {
  /** @type {Map<Part, { ms: number, at: number }>} */
  #last = new Map();
  #stack;
  #print;

  /** @param {Revivable} stack @param {(line: string) => void} print */
  constructor(stack, print) {
    this.#stack = stack;
    this.#print = print;
  }

  /** Resolves when the part runs again, or everything is being stopped. @param {Part} part @param {string} sentence how it ended */
  async died(part, sentence) {
    for (let why = sentence; !this.#stack.ending && !this.#stack.isAlive(part);) {
      const ms = this.#pauseBefore(part);
      this.#print(`\n${why}\nIt is started again in ${ms / 1000} s; npm run up, once more, does it at once.`);
      await pause(ms);
      why = await this.#again();
    }
  }

  /** @returns {Promise<string>} why not; empty when all is well */
  async #again() {
    if (this.#stack.ending) return '';
    return this.#stack.revive().then(
      () => '',
      (error) => (error instanceof Error ? error.message : String(error)),
    );
  }

  /** @param {Part} part */
  #pauseBefore(part) {
    const last = this.#last.get(part);
    const goesOn = last !== undefined && Date.now() - last.at < STEADY_MS;
    const ms = goesOn ? Math.min(LONGEST_MS, 2 * last.ms) : FIRST_MS;
    this.#last.set(part, { ms, at: Date.now() + ms });
    return ms;
  }
}
