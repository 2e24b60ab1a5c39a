/** @typedef {{ kind: 'read' | 'update' | 'create' | 'delete' | 'prefect', method: string, path: string, what?: string, body?: unknown, done?: (answer: { status: number, body: any }) => void }} Ask */

const DRAFTS = 100;
const SCHEDULED = 20;
/** Of a hundred requests: 70 reads, 16 updates, the rest creates and deletes of drafts by turns. */
const [READS, UPDATES] = [70, 16];

/** What to ask next, in a fixed order, from the answers so far. Never more than `DRAFTS` drafts and `SCHEDULED` ingestions with a schedule. */
export class Mix {
  /** @type {string[]} */
  drafts = [];
  /** @type {string[]} */
  scheduled = [];
  /** @type {string[]} run ids that were answered with 202 */
  accepted = [];
  #turn = 0;
  #turnOfPrefect = 0;
  #names = 0;
  #data;

  /** @param {string} data an existing folder */
  constructor(data) {
    this.#data = data;
  }

  /** A request that needs no Prefect. @returns {Ask} */
  next() {
    const turn = (this.#turn += 1);
    // 37 and 100 have no common divisor: each hundred holds all shares, well mixed.
    const share = (turn * 37) % 100;
    if (share < READS || this.drafts.length === 0)
      return this.drafts.length === 0 ? this.#createDraft() : this.#read(turn);
    if (share < READS + UPDATES) return this.#update(turn);
    return this.drafts.length < DRAFTS ? this.#createDraft() : this.#deleteDraft();
  }

  /** One that does: a scheduled create, a pause, a resume, a trigger, a delete. @returns {Ask} */
  nextOfPrefect() {
    const turn = (this.#turnOfPrefect += 1);
    const id = pick(this.scheduled, turn);
    if (id === null) return this.#createScheduled();
    const asks = [
      () => this.#createScheduled(),
      () => this.#trigger(id),
      () => toPrefect('POST', `/ingestions/${id}/pause`),
      () => toPrefect('POST', `/ingestions/${id}/resume`),
      () => (this.scheduled.length > SCHEDULED ? this.#deleteScheduled() : this.#trigger(id)),
    ];
    return /** @type {() => Ask} */ (asks[turn % asks.length])();
  }

  /** @param {number} turn @returns {Ask} */
  #read(turn) {
    const id = pick(turn % 2 === 0 ? this.drafts : this.scheduled, turn) ?? this.drafts[0];
    const [what, path] = /** @type {[string, string]} */ (
      [
        ['list', '/ingestions?limit=20'],
        ['one', `/ingestions/${id}`],
        ['runs', `/ingestions/${id}/runs`],
        ['status', '/orchestration/status'],
      ][turn % 4]
    );
    return { kind: 'read', method: 'GET', path, what };
  }

  /** @param {number} turn @returns {Ask} */
  #update(turn) {
    const body = { on_schema_change: turn % 2 === 0 ? 'ignore' : 'append_new_columns' };
    const id = pick(turn % 4 === 0 ? this.scheduled : this.drafts, turn) ?? this.drafts[0];
    return { kind: 'update', method: 'PATCH', path: `/ingestions/${id}`, body };
  }

  /** @returns {Ask} */
  #createDraft() {
    const done = made(this.drafts);
    return { kind: 'create', method: 'POST', path: '/ingestions', body: this.#ingestion(null), done };
  }

  /** @returns {Ask} */
  #deleteDraft() {
    return { kind: 'delete', method: 'DELETE', path: `/ingestions/${this.drafts.shift() ?? ''}` };
  }

  /** @returns {Ask} */
  #createScheduled() {
    const schedule = { frequency: 'daily', time: '03:30' };
    return { ...toPrefect('POST', '/ingestions', this.#ingestion(schedule)), done: made(this.scheduled) };
  }

  /** @param {string} id @returns {Ask} */
  #trigger(id) {
    const done = (/** @type {{ status: number, body: any }} */ { status, body }) => {
      if (status === 202) this.accepted.push(body.run_id);
    };
    return { ...toPrefect('POST', `/ingestions/${id}/run`), done };
  }

  /** @returns {Ask} */
  #deleteScheduled() {
    return { kind: 'delete', method: 'DELETE', path: `/ingestions/${this.scheduled.shift() ?? ''}` };
  }

  /** @param {object | null} schedule */
  #ingestion(schedule) {
    const name = `soak_${(this.#names += 1)}`;
    return {
      name,
      source: { type: 'file', path: this.#data, file_pattern: '*.csv' },
      format: { type: 'csv' },
      destination: { schema: 'public', table: name, write_mode: 'append' },
      schedule,
    };
  }
}

/** @param {string} method @param {string} path @param {unknown} [body] @returns {Ask} */
function toPrefect(method, path, body) {
  return { kind: 'prefect', method, path, body };
}

/** @param {string[]} ids @returns {NonNullable<Ask['done']>} */
function made(ids) {
  return ({ status, body }) => {
    if (status === 201) ids.push(body.id);
  };
}

/** @param {string[]} ids @param {number} turn */
function pick(ids, turn) {
  return ids[(turn * 7) % Math.max(1, ids.length)] ?? null;
}
