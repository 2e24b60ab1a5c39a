import { connect, createServer } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { setTimeout as pause } from 'node:timers/promises';

const CONNECT_MS = 1_000;

/** @typedef {import('node:net').Socket} Socket */
/** @typedef {{ client: Socket, upstream: Socket, target: number }} Link */

/**
 * A TCP proxy at 127.0.0.1 whose faults are switched from outside: it refuses, cuts, freezes and delays. It knows nothing of HTTP, so
 * a client sees what it would see of a real network.
 */
export class TcpProxy {
  /** Milliseconds each chunk waits, in both directions. */
  delayMs = 0;
  /** @type {import('node:net').Server | null} */
  #server = null;
  /** @type {Set<Socket>} */
  #clients = new Set();
  /** @type {Set<Link>} */
  #links = new Set();
  /** @type {{ until: Promise<void>, end: () => void } | null} */
  #ice = null;
  #port;
  #targets;

  /** @param {number} port @param {() => number[]} targets ports to try for a new connection, best first */
  constructor(port, targets) {
    this.#port = port;
    this.#targets = targets;
  }

  get url() {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Connections that are open now. */
  get connections() {
    return this.#clients.size;
  }

  /** Takes connections (again). Repeatable. */
  async listen() {
    if (this.#server !== null) return;
    const server = createServer((client) => void this.#serve(client));
    this.#server = server;
    await new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#port, '127.0.0.1', () => resolve(undefined));
    });
  }

  /** As if nobody were there: connections are cut and new ones refused, until `listen`. */
  async refuse() {
    const server = this.#server;
    if (server === null) return;
    this.#server = null;
    const closed = new Promise((resolve) => server.close(resolve));
    this.cut();
    await closed;
  }

  /** Cuts the connections (those to one target), as a reset. @param {number} [target] @returns {number} how many */
  cut(target) {
    const links = [...this.#links].filter((link) => target === undefined || link.target === target);
    for (const { client } of links) client.resetAndDestroy();
    if (target === undefined) for (const client of this.#clients) client.resetAndDestroy();
    return links.length;
  }

  /** Connections are taken and no byte passes, until `thaw`. */
  freeze() {
    if (this.#ice !== null) return;
    let end = () => {};
    const until = new Promise((/** @type {(value: void) => void} */ resolve) => (end = resolve));
    this.#ice = { until, end };
  }

  thaw() {
    this.#ice?.end();
    this.#ice = null;
  }

  async close() {
    this.thaw();
    await this.refuse();
  }

  /** @param {Socket} client */
  async #serve(client) {
    client.on('error', () => {});
    client.setNoDelay(true);
    this.#clients.add(client);
    client.once('close', () => this.#clients.delete(client));
    const made = await this.#connect();
    if (made === null || client.destroyed) {
      client.resetAndDestroy();
      made?.upstream.destroy();
      return;
    }
    await this.#carry({ client, ...made });
  }

  /** No byte has been sent yet, so trying the next target is safe whatever the request is. */
  async #connect() {
    for (const target of this.#targets()) {
      const upstream = await open(target);
      if (upstream !== null) return { upstream, target };
    }
    return null;
  }

  /** @param {Link} link */
  async #carry(link) {
    const { client, upstream } = link;
    this.#links.add(link);
    client.once('close', () => upstream.destroy());
    const through = (/** @type {AsyncIterable<Buffer>} */ source) => this.#through(source);
    await Promise.all([pipeline(client, through, upstream), pipeline(upstream, through, client)]).catch(() => {});
    this.#links.delete(link);
    client.destroy();
    upstream.destroy();
  }

  /** @param {AsyncIterable<Buffer>} source */
  async *#through(source) {
    for await (const chunk of source) {
      if (this.delayMs > 0) await pause(this.delayMs);
      await this.#ice?.until;
      yield chunk;
    }
  }
}

/** @param {number} port @returns {Promise<Socket | null>} `null`: nobody took the connection */
function open(port) {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    const timer = setTimeout(() => socket.destroy(new Error('late')), CONNECT_MS);
    socket.once('connect', () => {
      clearTimeout(timer);
      resolve(socket);
    });
    socket.on('error', () => {
      clearTimeout(timer);
      resolve(null);
    });
  });
}
