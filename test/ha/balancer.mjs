import { setTimeout as pause } from 'node:timers/promises';
import { TcpProxy } from './proxy.mjs';

/** Between two checks of a replica. */
export const CHECK_EVERY_MS = 2_000;
/** After this long without an answer the replica counts as gone. */
export const CHECK_TIMEOUT_MS = 1_000;

/** @typedef {{ name: string, port: number }} Replica */

/**
 * A balancer as one would put before Prefect: connections go in turn to the replicas that answer `/api/ready`. One that stops answering is
 * left out and its connections are cut, since those of a frozen process would hang for ever.
 */
export class Balancer {
  /** @type {Set<number>} ports */
  #ready = new Set();
  #turn = 0;
  #stop = new AbortController();
  #replicas;
  #tell;

  /** @param {number} port @param {Replica[]} replicas @param {(what: string) => void} tell hears which replica came and went */
  constructor(port, replicas, tell) {
    this.#replicas = replicas;
    this.#tell = tell;
    this.proxy = new TcpProxy(port, () => this.#order());
  }

  async start() {
    await this.#checkAll();
    await this.proxy.listen();
    void this.#loop();
  }

  async stop() {
    this.#stop.abort();
    await this.proxy.close();
  }

  /** @param {Replica} replica */
  isReady({ port }) {
    return this.#ready.has(port);
  }

  #order() {
    const ports = this.#replicas.map((replica) => replica.port).filter((port) => this.#ready.has(port));
    const first = (this.#turn += 1) % Math.max(1, ports.length);
    return [...ports.slice(first), ...ports.slice(0, first)];
  }

  async #loop() {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await pause(CHECK_EVERY_MS, undefined, { signal, ref: false }).catch(() => {});
      if (!signal.aborted) await this.#checkAll();
    }
  }

  async #checkAll() {
    await Promise.all(this.#replicas.map((replica) => this.#check(replica)));
  }

  /** @param {Replica} replica */
  async #check({ name, port }) {
    const ready = await answersReady(port);
    if (ready === this.#ready.has(port)) return;
    if (ready) this.#ready.add(port);
    else this.#ready.delete(port);
    const cut = ready ? 0 : this.proxy.cut(port);
    this.#tell(ready ? `the balancer takes ${name} in` : `the balancer leaves ${name} out, ${cut} connections cut`);
  }
}

/** @param {number} port */
async function answersReady(port) {
  const signal = AbortSignal.timeout(CHECK_TIMEOUT_MS);
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/api/ready`, { signal, headers: { connection: 'close' } });
    await answer.text();
    return answer.ok;
  } catch {
    return false;
  }
}
