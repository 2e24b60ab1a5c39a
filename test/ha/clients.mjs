import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const ROWS = 10;
const READ_EVERY_MS = 100;
const READS_AT_ONCE = 50;
const AGAIN_MS = 250;
const RUN_MS = 60_000;
const ACTIVE = new Set(['queued', 'running']);

/** @typedef {import('./timeline.mjs').Timeline} Timeline */
/** @typedef {{ id: string, folder: string, table: string, files: number }} Loaded an ingestion and what was laid before it */

/** Clients that trigger and read, as people and their scripts do, until `stop`. */
export class Clients {
  /** @type {string[]} run ids that were answered with 202 */
  accepted = [];
  #stop = new AbortController();
  /** @type {Promise<void>[]} */
  #loops = [];
  #timeline;
  #ingestions;

  /** @param {Timeline} timeline @param {Loaded[]} ingestions each gets a client of its own */
  constructor(timeline, ingestions) {
    this.#timeline = timeline;
    this.#ingestions = ingestions;
  }

  start() {
    this.#loops = [...this.#ingestions.map((ingestion) => this.#triggerOften(ingestion)), this.#readOften()];
  }

  async stop() {
    this.#stop.abort();
    await Promise.all(this.#loops);
  }

  /** A last trigger for each, so that all files are loaded whatever was refused before. */
  async finish() {
    await Promise.all(this.#ingestions.map((ingestion) => this.#triggerOnce(ingestion)));
  }

  /** @param {Loaded} ingestion */
  async #triggerOften(ingestion) {
    while (!this.#stop.signal.aborted) {
      await layFile(ingestion);
      await this.#triggerOnce(ingestion);
    }
  }

  /** Waits for the run, since a second trigger meanwhile is a 409. @param {Loaded} ingestion */
  async #triggerOnce({ id }) {
    const { status, body } = await this.#timeline.ask('trigger', 'POST', `/ingestions/${id}/run`);
    if (status !== 202) return void (await pause(AGAIN_MS));
    this.accepted.push(body.run_id);
    await untilEnded(this.#timeline, body.run_id, RUN_MS);
  }

  async #readOften() {
    const underWay = new Set();
    for (let turn = 0; !this.#stop.signal.aborted; turn += 1) {
      if (underWay.size < READS_AT_ONCE) {
        const read = this.#read(turn).finally(() => underWay.delete(read));
        underWay.add(read);
      }
      await pause(READ_EVERY_MS);
    }
    await Promise.all(underWay);
  }

  /** Every fifth goes to Prefect. @param {number} turn */
  async #read(turn) {
    const { id } = /** @type {Loaded} */ (this.#ingestions[turn % this.#ingestions.length]);
    const run = this.accepted.at(-1);
    const paths = ['/ingestions', `/ingestions/${id}`, `/ingestions/${id}/runs`, run ? `/runs/${run}` : '/ingestions'];
    if (turn % 5 === 0 && run) await this.#timeline.ask('log', 'GET', `/runs/${run}/logs`);
    else await this.#timeline.ask('read', 'GET', paths[turn % paths.length] ?? '/ingestions');
  }
}

/** @param {Timeline} timeline @param {string} runId @param {number} limitMs @returns {Promise<string>} its last known status */
export async function untilEnded(timeline, runId, limitMs) {
  let status = 'queued';
  for (const until = timeline.now + limitMs; ACTIVE.has(status) && timeline.now < until; await pause(AGAIN_MS)) {
    const { body } = await timeline.ask('read', 'GET', `/runs/${runId}`);
    status = body?.status ?? status;
  }
  return status;
}

/**
 * An ingestion with a folder and a table of its own. @param {Timeline} timeline @param {string} data @param {string} name
 * @param {object} [schedule] @returns {Promise<Loaded>}
 */
export async function makeIngestion(timeline, data, name, schedule = { frequency: 'manual' }) {
  const folder = join(data, name);
  await mkdir(folder);
  const { status, body } = await timeline.ask('create', 'POST', '/ingestions', {
    name,
    source: { type: 'file', path: folder, file_pattern: '*.csv' },
    format: { type: 'csv' },
    destination: { schema: 'public', table: name, write_mode: 'append' },
    schedule,
  });
  if (status !== 201) throw new Error(`${name} was not made: ${status} ${JSON.stringify(body)}`);
  return { id: body.id, folder, table: name, files: 0 };
}

/** A new file of `ROWS` rows, whole from its first moment on. @param {Loaded} ingestion */
export async function layFile(ingestion) {
  const number = (ingestion.files += 1);
  const rows = Array.from({ length: ROWS }, (_, row) => `${number * ROWS + row},file ${number}`);
  const draft = join(ingestion.folder, `${number}.draft`);
  await writeFile(draft, `id,origin\n${rows.join('\n')}\n`);
  await rename(draft, join(ingestion.folder, `${number}.csv`));
}

/** @param {Loaded} ingestion */
export const rowsLaid = ({ files }) => files * ROWS;
