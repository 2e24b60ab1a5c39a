const NAME_WIDTH = 32;
const LIVE_MS = 200;
const QUIET_MS = 10_000;

/**
 * Shows steps, of which several may be under way at once: what is done stays as a line with its time, what is under way stands in one changing
 * line at a terminal, and elsewhere (a file, a pipe) is told again each 10 s.
 */
export class Progress {
  /** @type {Map<string, { begun: number, detail: string }>} */
  #underWay = new Map();
  #timer;
  #out;

  /** @param {NodeJS.WriteStream} [out] */
  constructor(out = process.stdout) {
    this.#out = out;
    this.#timer = setInterval(() => this.#tick(), out.isTTY ? LIVE_MS : QUIET_MS).unref();
  }

  /**
   * @template T
   * @param {string} name
   * @param {(report: (detail: string) => void) => Promise<T>} work `report` says how far it is; the last one stays behind the time
   * @returns {Promise<T>}
   */
  async step(name, work) {
    const state = { begun: performance.now(), detail: '' };
    this.#underWay.set(name, state);
    if (!this.#out.isTTY) this.print(`  … ${name}`);
    try {
      const result = await work((detail) => (state.detail = detail));
      this.#finish(name, `  ✓ ${name.padEnd(NAME_WIDTH)} ${secondsSince(state.begun)}  ${state.detail}`.trimEnd());
      return result;
    } catch (error) {
      this.#finish(name, `  ✗ ${name.padEnd(NAME_WIDTH)} ${secondsSince(state.begun)}`);
      throw error;
    }
  }

  /** @param {string} [text] */
  print(text = '') {
    this.#out.write(`${this.#out.isTTY ? CLEAR : ''}${text}\n`);
  }

  close() {
    clearInterval(this.#timer);
    if (this.#out.isTTY) this.#out.write(CLEAR);
  }

  /** @param {string} name @param {string} line */
  #finish(name, line) {
    this.#underWay.delete(name);
    this.print(line);
  }

  #tick() {
    if (this.#underWay.size === 0) return;
    const all = [...this.#underWay].map(
      ([name, { begun, detail }]) => `${name}${detail && `: ${detail}`} (${secondsSince(begun).trim()})`,
    );
    if (this.#out.isTTY)
      this.#out.write(`${CLEAR}  … ${all.join(' · ')}`.slice(0, (this.#out.columns || 80) + CLEAR.length - 1));
    else for (const line of all) this.print(`  … ${line}`);
  }
}

const CLEAR = '\r\x1b[K';

/** @param {number} begun by `performance.now()` */
export function secondsSince(begun) {
  return `${((performance.now() - begun) / 1000).toFixed(1).padStart(6)} s`;
}
