import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { StackError, tailOf } from './errors.mjs';

/**
 * A process of the stack. It leads a process group of its own, so that a Ctrl-C at the terminal reaches only us and a stop reaches its children.
 * @typedef {object} Service
 * @property {string} name
 * @property {number} pid
 * @property {string} logFile
 * @property {Promise<string>} ended resolves with how it ended (`exit code 1`, `signal SIGKILL`); never rejects
 * @property {() => boolean} alive
 * @property {() => Promise<void>} stop asks, waits for the grace, then kills the whole group
 */

/**
 * @typedef {object} Launch
 * @property {string} name
 * @property {string} command
 * @property {string[]} args
 * @property {NodeJS.ProcessEnv} env the whole environment
 * @property {string} cwd
 * @property {string} logFile appended to
 * @property {{ uid: number, gid: number } | null} [user] to run as
 * @property {NodeJS.Signals} [stopSignal] what asks it to end: SIGTERM
 * @property {number} [graceMs] between asking and killing: 10 s
 */

/** @type {Set<Service>} */
const running = new Set();
/** @type {Set<(service: Service) => void>} */
const listeners = new Set();

/** Calls back as soon as a service's process exists, long before it is ready. @param {(service: Service) => void} listener */
export function onServiceStart(listener) {
  listeners.add(listener);
}

/** For the impatient: no asking, no waiting. */
export function killAllServices() {
  for (const { pid } of running) signalGroup(pid, 'SIGKILL');
}

let closed = false;

/** Stops whatever `startService` started and is still there, newest first, also what was only on its way to be ready; from now on nothing starts any more. */
export async function stopAllServices() {
  closed = true;
  for (const service of [...running].reverse()) await service.stop();
}

/**
 * Starts a process with its output appended to a file.
 * @param {Launch} launch @returns {Promise<Service>}
 */
export async function startService({
  name,
  command,
  args,
  env,
  cwd,
  logFile,
  user,
  stopSignal = 'SIGTERM',
  graceMs = 10_000,
}) {
  if (closed) throw new StackError(`${name} is not started any more: everything is being stopped.`);
  const log = openSync(logFile, 'a', 0o600);
  const child = spawn(command, args, {
    cwd,
    env,
    detached: true,
    stdio: ['ignore', log, log],
    ...(user ? { uid: user.uid, gid: user.gid } : {}),
  });
  closeSync(log);
  /** @type {Promise<string>} */
  const ended = new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(signal === null ? `exit code ${code}` : `signal ${signal}`));
  });
  if (child.pid === undefined) throw new StackError(`${name} could not be started: ${await ended}.`);
  const { pid } = child;
  const alive = () => child.exitCode === null && child.signalCode === null;
  /** @type {Service} */
  const service = {
    name,
    pid,
    logFile,
    ended,
    alive,
    stop: () => stopGroup(pid, { signal: stopSignal, graceMs, ended, alive }),
  };
  running.add(service);
  void ended.then(() => running.delete(service));
  for (const listener of listeners) listener(service);
  return service;
}

/** @param {number} pid @param {{ signal: NodeJS.Signals, graceMs: number, ended: Promise<string>, alive: () => boolean }} options */
async function stopGroup(pid, { signal, graceMs, ended, alive }) {
  if (alive()) {
    signalGroup(pid, signal);
    await Promise.race([ended, pause(graceMs, undefined, { ref: false })]);
  }
  signalGroup(pid, 'SIGKILL');
  await ended;
}

/** Sends a signal to a process group; false when nobody is left in it. @param {number} leader @param {NodeJS.Signals | 0} signal */
export function signalGroup(leader, signal) {
  try {
    process.kill(-leader, signal);
    return true;
  } catch {
    return false;
  }
}

/** @param {number} pid */
export function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

/**
 * When a process started, in the system's own words: with the pid it names one process for good, since pids are used again.
 * `null` when there is no such process, or only its zombie.
 * @param {number} pid @returns {string | null}
 */
export function startOf(pid) {
  return process.platform === 'linux' ? startFromProc(pid) : startFromPs(pid);
}

/** @param {number} pid */
function startFromProc(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name may hold spaces and brackets, so the fields are counted from its last bracket: state is the 3rd, start time the 22nd.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z') return null;
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}:${fields[19]}`;
  } catch {
    return null;
  }
}

/** @param {number} pid */
function startFromPs(pid) {
  try {
    const line = execFileSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim();
    return line.startsWith('Z') || line === '' ? null : line.replace(/^\S+\s+/, '');
  } catch {
    return null;
  }
}

/**
 * Asks again and again until the answer is true, the process is gone or the time is up.
 * @param {Service} service @param {() => Promise<boolean>} ask a throw counts as "not yet", but a `StackError` ends the waiting
 * @param {{ timeoutMs: number, everyMs?: number }} options
 */
export async function untilReady(service, ask, { timeoutMs, everyMs = 100 }) {
  const deadline = Date.now() + timeoutMs;
  let reason = 'no answer yet';
  while (Date.now() < deadline) {
    if (!service.alive()) throw await gaveUp(service, `ended before it was ready (${await service.ended})`);
    try {
      if (await ask()) return;
    } catch (error) {
      if (error instanceof StackError) throw error;
      reason = error instanceof Error ? error.message : String(error);
    }
    await pause(everyMs);
  }
  throw await gaveUp(service, `was not ready after ${Math.round(timeoutMs / 1000)} s (${reason})`);
}

/** @param {Service} service @param {string} what */
export async function gaveUp(service, what) {
  const tail = await tailOf(service.logFile);
  return new StackError(
    `${service.name} ${what}. Its log is ${service.logFile}${tail === '' ? '.' : `; the end of it:\n${indent(tail)}`}`,
  );
}

/** @param {string} text */
export function indent(text) {
  return text.replace(/^/gm, '    ');
}
