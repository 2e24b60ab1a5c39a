/** What was demanded, and whether it came true; the exit code follows from it. */
export class Verdicts {
  #passed = 0;
  #failed = 0;
  /** @type {string[]} */
  #skipped = [];
  /** @type {Set<string>} */
  #open;

  /** @param {readonly string[]} [demands] those that must be judged; one that was not by the end is missed */
  constructor(demands = []) {
    this.#open = new Set(demands);
  }

  /** @param {string} demand @param {boolean} held @param {string} figures what was seen */
  say(demand, held, figures) {
    this.#open.delete(demand);
    if (held) this.#passed += 1;
    else this.#failed += 1;
    console.log(`${held ? 'held  ' : 'MISSED'}  ${demand}: ${figures}`);
  }

  /** Said but not judged. @param {string} demand @param {string} why */
  leave(demand, why) {
    this.#open.delete(demand);
    this.#skipped.push(`${demand} (${why})`);
  }

  /** Nothing that is still open can be judged here. @param {string} why */
  leaveAll(why) {
    for (const demand of this.#open) this.leave(demand, why);
  }

  /** Names what was skipped, then counts, as `npm test` does. @returns {number} the exit code */
  report() {
    for (const demand of this.#open) this.say(demand, false, 'not judged, for it ended before');
    for (const skipped of this.#skipped) console.log(`skipped: ${skipped}`);
    console.log(`${this.#passed} passed, ${this.#failed} failed, ${this.#skipped.length} skipped`);
    return this.#failed === 0 ? 0 : 1;
  }
}
