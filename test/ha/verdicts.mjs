/** What was demanded, and whether it came true; the exit code follows from it. */
export class Verdicts {
  #failed = 0;
  #lines = 0;

  /** @param {string} demand @param {boolean} held @param {string} figures what was seen */
  say(demand, held, figures) {
    this.#lines += 1;
    if (!held) this.#failed += 1;
    console.log(`${held ? 'held  ' : 'MISSED'}  ${demand}: ${figures}`);
  }

  /** Said but not judged. @param {string} demand @param {string} why */
  leave(demand, why) {
    console.log(`left    ${demand}: ${why}`);
  }

  get exitCode() {
    console.log(`\n${this.#lines - this.#failed} of ${this.#lines} demands held.`);
    return this.#failed === 0 ? 0 : 1;
  }
}
