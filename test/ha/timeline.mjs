import { requireTypeScript } from '../../tools/typescript.mjs';

/** @typedef {{ kind: string, status: number | 'none', at: number, ms: number, body: any }} Answer `at`: when it was asked, ms since the start */
/** @typedef {import('./answer-verdicts.js').Phase} Phase */

/** @type {typeof import('./answer-verdicts.js')} */
export const { last503 } = requireTypeScript('test/ha/answer-verdicts.ts');

const TIMEOUT_MS = 20_000;

/** What happened when: the faults, and what each client was answered. */
export class Timeline {
  /** @type {Phase[]} */
  phases = [];
  /** @type {Answer[]} */
  answers = [];
  /** @type {{ at: number, what: string }[]} */
  events = [];
  #begun = performance.now();
  #apiUrl;

  /** @param {string} apiUrl */
  constructor(apiUrl) {
    this.#apiUrl = apiUrl;
  }

  get now() {
    return performance.now() - this.#begun;
  }

  /** @param {string} what */
  tell(what) {
    this.events.push({ at: this.now, what });
    console.log(`${(this.now / 1000).toFixed(1).padStart(7)} s  ${what}`);
  }

  /** What follows belongs to this phase, which is no fault. @param {string} name */
  begin(name) {
    this.#begin({ name, isFault: false, outageMs: 0 });
  }

  /** A fault follows. @param {string} name @param {number} [outageMs] how long nobody at all answers */
  strike(name, outageMs = 0) {
    this.#begin({ name, isFault: true, outageMs });
  }

  /** @param {Pick<Phase, 'name' | 'isFault' | 'outageMs'>} phase */
  #begin(phase) {
    const from = this.now;
    const before = this.phases.at(-1);
    if (before !== undefined) before.to = from;
    this.phases.push({ ...phase, from, to: Infinity });
    this.tell(phase.name);
  }

  /**
   * Asks the API as a client, and keeps what it saw.
   * @param {string} kind @param {string} method @param {string} path @param {unknown} [body] @returns {Promise<Answer>}
   */
  async ask(kind, method, path, body) {
    const at = this.now;
    const { status, body: answered } = await this.#send(method, path, body);
    const answer = { kind, status, at, ms: this.now - at, body: answered };
    this.answers.push({ ...answer, body: null });
    return answer;
  }

  /** @param {string} method @param {string} path @param {unknown} body @returns {Promise<Pick<Answer, 'status' | 'body'>>} */
  async #send(method, path, body) {
    try {
      const answer = await fetch(`${this.#apiUrl}${path}`, {
        method,
        headers: body === undefined ? {} : { 'content-type': 'application/json' },
        body: body === undefined ? null : JSON.stringify(body),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      const text = await answer.text();
      return { status: answer.status, body: text === '' ? null : JSON.parse(text) };
    } catch (error) {
      return { status: 'none', body: String(error) };
    }
  }

  /** @param {Phase} phase */
  answersIn({ from, to }) {
    return this.answers.filter((answer) => answer.at >= from && answer.at < to);
  }
}

/** One line for each phase: what clients saw. @param {Timeline} timeline */
export function tableOf(timeline) {
  const head = ['at', 'fault', 'triggers', 'reads', '2xx', '409', '503', 'other', 'last 503 after', 'slowest'];
  const lines = timeline.phases.map((phase) => rowOf(timeline, phase));
  const widths = head.map((title, column) =>
    Math.max(...[head, ...lines].map((line) => (line[column] ?? title).length)),
  );
  return [head, ...lines]
    .map((line) => line.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '))
    .join('\n');
}

/** @param {Timeline} timeline @param {Phase} phase */
function rowOf(timeline, phase) {
  const answers = timeline.answersIn(phase);
  const count = (/** @type {(answer: Answer) => boolean} */ test) => String(answers.filter(test).length);
  const last = last503(timeline.answers, phase, timeline.phases);
  return [
    `${(phase.from / 1000).toFixed(1)} s`,
    phase.name,
    count(({ kind }) => kind === 'trigger'),
    count(({ kind }) => kind !== 'trigger'),
    count(isGood),
    count(({ status }) => status === 409),
    count(({ status }) => status === 503),
    count((answer) => !isExpected(answer)),
    last === null ? '-' : `${(last / 1000).toFixed(1)} s`,
    `${(Math.max(0, ...answers.map(({ ms }) => ms)) / 1000).toFixed(2)} s`,
  ];
}

/** @param {Answer} answer */
export function isGood({ status }) {
  return typeof status === 'number' && status >= 200 && status < 300;
}

/** @param {Answer} answer */
export function isExpected(answer) {
  return isGood(answer) || answer.status === 409 || answer.status === 503;
}
