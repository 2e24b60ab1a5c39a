import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { ensureBuilt } from './build.mjs';
import { stopCommands } from './commands.mjs';
import { requireSpace } from './disk.mjs';
import { StackError } from './errors.mjs';
import { ensureInstalled } from './install.mjs';
import {
  addresses,
  needsPostgres,
  PARTS,
  requireDatabases,
  requirePrefect,
  startApiPart,
  startPostgresPart,
  startPrefectServerPart,
  startWorkerPart,
} from './parts.mjs';
import { gaveUp, onServiceStart, stopAllServices } from './processes.mjs';
import { recorded, release, update } from './record.mjs';
import { prefectPython } from './venv.mjs';

const MIB = 1024 * 1024;
const NEEDED_BYTES = 300 * MIB;
const INITIALIZED_MS = 60_000;

/** @typedef {import('./parts.mjs').Part} Part */
/** @typedef {import('./processes.mjs').Service} Service */

const SERVICE_NAMES = /** @type {Record<string, Part>} */ ({
  PostgreSQL: 'postgres',
  'The Prefect server': 'prefect_server',
  'The API': 'api',
  'The Prefect worker': 'prefect_worker',
});

/** All parts of one stack, from nothing to healthy and back. */
export class Stack {
  /** @type {Map<Part, Service>} */
  #services = new Map();
  #ending = false;
  #recording = Promise.resolve();
  /** @type {Promise<Part[]>} */
  #reviving = Promise.resolve([]);
  /** @type {Promise<string> | undefined} */
  #python;
  #settings;
  #progress;
  #running;

  /**
   * @param {import('./settings.mjs').Settings} settings @param {import('./progress.mjs').Progress} progress
   * @param {import('./record.mjs').Running} running ours, as claimed
   */
  constructor(settings, progress, running) {
    this.#settings = settings;
    this.#progress = progress;
    this.#running = running;
    onServiceStart((service) => this.#remember(service));
  }

  /** Starts everything that is missing; resolves once all is healthy and `stack.json` is written. */
  async start() {
    const { home, logs, env } = this.#settings;
    await requireSpace(home, NEEDED_BYTES);
    await requirePrefect(this.#settings);
    const python = this.#settings.prefectApiUrl === undefined ? this.#preparePython() : undefined;
    await this.#all([python, this.#begin(python, { logs, env })]);
    await this.#startWorker();
    await this.#step('all healthy', () => this.#untilInitialized());
    await this.#setState('running');
    await this.#writeStackFile();
  }

  /** @param {Promise<unknown> | undefined} python @param {{ logs: string, env: NodeJS.ProcessEnv }} options */
  async #begin(python, { logs, env }) {
    await this.#step('packages', (report) => told(ensureInstalled({ env, logFile: join(logs, 'npm.log') }), report));
    await requireDatabases(this.#settings);
    const postgres = needsPostgres(this.#settings)
      ? this.#part('postgres', (report) => startPostgresPart(this.#settings, report))
      : undefined;
    const built = this.#step('build', (report) => told(ensureBuilt({ env, logFile: join(logs, 'build.log') }), report));
    const api = this.#all([postgres, built]).then(() => this.#part('api', () => startApiPart(this.#settings)));
    await this.#all([postgres, built, api, this.#all([postgres, python]).then(() => this.#startPrefect())]);
  }

  /** Starts again what has died; one call after the other. @returns {Promise<Part[]>} what that was */
  revive() {
    const revived = this.#reviving.then(() => this.#revive());
    this.#reviving = revived.catch(() => []);
    return revived;
  }

  /** @returns {Promise<Part[]>} */
  async #revive() {
    const dead = PARTS.filter((part) => this.#services.get(part)?.alive() === false);
    for (const part of dead) await this.#restart(part);
    await this.#writeStackFile();
    return dead;
  }

  /** @param {Part} part */
  #restart(part) {
    if (part === 'postgres') return this.#part(part, (report) => startPostgresPart(this.#settings, report));
    if (part === 'prefect_server') return this.#startPrefect();
    if (part === 'api') return this.#part(part, () => startApiPart(this.#settings));
    return this.#startWorker();
  }

  async stop() {
    this.#ending = true;
    await this.#setState('stopping');
    await stopCommands();
    await stopAllServices();
    await rm(this.#stackFile, { force: true });
    await this.#recording;
    await release(this.#settings.home);
  }

  /** @returns {Part[]} */
  get alive() {
    return PARTS.filter((part) => this.#services.get(part)?.alive());
  }

  /** @param {Part} part */
  isAlive(part) {
    return this.alive.includes(part);
  }

  get ending() {
    return this.#ending;
  }

  /** Called when a part ends that was not told to, with a sentence on it. @type {(sentence: string, part: Part) => void} */
  onDeath = () => {};

  #preparePython() {
    this.#python ??= this.#step('Prefect in a virtual environment', async (report) => {
      const python = await prefectPython({ env: this.#settings.env, report });
      report('');
      return python;
    });
    return this.#python;
  }

  #startPrefect() {
    if (this.#settings.prefectApiUrl !== undefined) return Promise.resolve();
    return this.#part('prefect_server', async () =>
      startPrefectServerPart(this.#settings, await this.#preparePython()),
    );
  }

  #startWorker() {
    return this.#part('prefect_worker', () => startWorkerPart(this.#settings, () => this.#preparePython()));
  }

  /** @param {Part} part @param {(report: (detail: string) => void) => Promise<Service | null>} start */
  #part(part, start) {
    return this.#step(TITLES[part], async (report) => {
      const service = await start(report);
      if (service === null) return report('not needed: the work pool is one for containers');
      void service.ended.then((how) => this.#ended(part, service, how));
    });
  }

  /** @param {Part} part @param {Service} service @param {string} how */
  async #ended(part, service, how) {
    if (this.#ending || this.#services.get(part) !== service) return;
    this.onDeath((await gaveUp(service, `ended (${how})`)).message, part);
  }

  /**
   * @template T
   * @param {string} name @param {(report: (detail: string) => void) => Promise<T>} work
   */
  async #step(name, work) {
    if (this.#ending) throw new StackError('Stopped while starting.');
    return this.#progress.step(name, work);
  }

  /** Like `Promise.all`; those which fail later are heard, too. @param {(Promise<unknown> | undefined)[]} promises */
  async #all(promises) {
    for (const promise of promises) promise?.catch(() => {});
    await Promise.all(promises);
  }

  async #untilInitialized() {
    const url = `${addresses(this.#settings).api}/api/v1/orchestration/status`;
    const deadline = Date.now() + INITIALIZED_MS;
    for (;;) {
      const status = /** @type {any} */ (
        await fetch(url).then(
          (answer) => answer.json(),
          () => ({}),
        )
      );
      if (status.initialized === true) return;
      if (Date.now() > deadline)
        throw new StackError(
          `The API does not reach Prefect (${status.reason ?? 'no reason given'}). Its log is ${join(this.#settings.logs, 'api.log')}.`,
        );
      await pause(100);
    }
  }

  /** @param {Service} service */
  #remember(service) {
    const part = SERVICE_NAMES[service.name];
    const record = recorded(part ?? service.name, service.pid);
    if (part === undefined || record === null) return;
    this.#services.set(part, service);
    this.#running.parts = [...this.#running.parts.filter(({ name }) => name !== part), record];
    this.#save();
  }

  /** @param {import('./record.mjs').Running['state']} state */
  #setState(state) {
    this.#running.state = state;
    return this.#save();
  }

  /** One after the other, or an older record could replace a newer one. */
  #save() {
    const running = structuredClone(this.#running);
    this.#recording = this.#recording.then(() => update(this.#settings.home, running)).catch(() => {});
    return this.#recording;
  }

  get #stackFile() {
    return join(this.#settings.home, 'stack.json');
  }

  get home() {
    return this.#settings.home;
  }

  /** As they stand in `stack.json`. */
  get addresses() {
    const urls = addresses(this.#settings);
    return {
      api_url: urls.api,
      docs_url: `${urls.api}/docs`,
      prefect_ui_url: urls.prefectUi,
      prefect_api_url: urls.prefectApi,
      database_url: urls.database,
      destination_url: urls.destination,
    };
  }

  async #writeStackFile() {
    const content = {
      ...this.addresses,
      api_key: null,
      work_pool: this.#settings.env.PREFECT_WORK_POOL || 'sluice',
      pids: Object.fromEntries(this.alive.map((part) => [part, this.#services.get(part)?.pid])),
    };
    await writeFile(this.#stackFile, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 });
  }
}

/** @type {Record<Part, string>} */
const TITLES = {
  postgres: 'PostgreSQL',
  prefect_server: 'Prefect server',
  api: 'API',
  prefect_worker: 'Prefect worker',
};

/** @param {Promise<boolean>} done whether there was something to do @param {(detail: string) => void} report */
async function told(done, report) {
  if (!(await done)) report('up to date');
}
