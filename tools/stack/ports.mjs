import { createServer } from 'node:net';
import { StackError } from './errors.mjs';

// Below the range the system takes for outgoing connections, or one of those could sit on the port before we do.
const FIRST = 20_000;
const COUNT = 12_000;
const TRIES = 200;

/** @type {Set<number>} */
const given = new Set();

/** @param {number} port @returns {Promise<boolean>} whether it can be listened on at 127.0.0.1 */
export function isFree(port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** A free port at 127.0.0.1, never the same twice in one process. @returns {Promise<number>} */
export async function freePort() {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const port = FIRST + Math.floor(Math.random() * COUNT);
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
  throw new StackError(
    `No free port was found between ${FIRST} and ${FIRST + COUNT}. Set PORT, SLUICE_POSTGRES_PORT and SLUICE_PREFECT_PORT.`,
  );
}

/**
 * The port a part of the stack listens on: the one the variable names (an error when it is taken), else the one it had last time, else a free one.
 * @param {string} variable @param {string | undefined} wanted @param {number | undefined} last
 */
export async function portFor(variable, wanted, last) {
  if (wanted !== undefined && wanted !== '') return wantedPort(variable, wanted);
  if (last !== undefined && !given.has(last) && (await isFree(last))) {
    given.add(last);
    return last;
  }
  return freePort();
}

/** @param {string} variable @param {string} wanted */
async function wantedPort(variable, wanted) {
  const port = Number(wanted);
  if (!Number.isInteger(port) || port < 1 || port > 65535) {
    throw new StackError(
      `${variable}=${wanted} is not a port. Give a number from 1 to 65535, or leave ${variable} out to get a free one.`,
    );
  }
  if (!(await isFree(port))) {
    throw new StackError(
      `Port ${port} (${variable}) is busy. Stop what listens there, or leave ${variable} out to get a free one.`,
    );
  }
  given.add(port);
  return port;
}
