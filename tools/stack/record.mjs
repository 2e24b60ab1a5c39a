import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { codeOf } from './errors.mjs';
import { signalGroup, startOf } from './processes.mjs';

/** @typedef {{ name: string, pid: number, start: string }} Recorded a process; with its start time the pid names it for good */

/**
 * Who runs the stack of one home folder, and its processes: written as soon as they exist, so that whoever comes next can find what a killed `up` left.
 * @typedef {object} Running
 * @property {Recorded} supervisor
 * @property {Recorded | null} parent without which the supervisor ends too; `null`: it does not watch one
 * @property {'starting' | 'running' | 'stopping'} state
 * @property {Recorded[]} parts
 */

const STOP_MS = 20_000;

/** @param {string} home */
const fileIn = (home) => join(home, 'running.json');

/** @param {string} home @returns {Promise<Running | null>} */
export async function readRunning(home) {
  const text = await readFile(fileIn(home), 'utf8').catch(() => null);
  return text === null ? null : JSON.parse(text);
}

/** Takes the home folder for us; false when somebody else has it. @param {string} home @param {Running} running */
export async function claim(home, running) {
  const draft = await writeDraft(home, running);
  try {
    await link(draft, fileIn(home));
    return true;
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    return false;
  } finally {
    await rm(draft, { force: true });
  }
}

/** @param {string} home @param {Running} running */
export async function update(home, running) {
  await rename(await writeDraft(home, running), fileIn(home));
}

/** @param {string} home */
export async function release(home) {
  await rm(fileIn(home), { force: true });
}

let drafts = 0;

/** @param {string} home @param {Running} running */
async function writeDraft(home, running) {
  const draft = `${fileIn(home)}.${process.pid}.${(drafts += 1)}`;
  await writeFile(draft, JSON.stringify(running, null, 2), { mode: 0o600 });
  return draft;
}

/** @param {string} name @param {number} pid @returns {Recorded | null} `null` when it is gone already */
export function recorded(name, pid) {
  const start = startOf(pid);
  return start === null ? null : { name, pid, start };
}

/** @param {Recorded} part */
export function isThere({ pid, start }) {
  return startOf(pid) === start;
}

/** Ends what a killed `up` left, newest first, and the groups these processes lead. @param {Recorded[]} parts @returns {Promise<string[]>} names of what was still there */
export async function cleanUp(parts) {
  const left = parts.filter((part) => isThere(part) || isLeaderless(part));
  for (const part of [...left].reverse()) await end(part);
  return left.map((part) => part.name);
}

/** The leader has died and others of its group live; as long as they do, nobody else gets its number. @param {Recorded} part */
function isLeaderless({ pid }) {
  return startOf(pid) === null && signalGroup(pid, 0);
}

/** @param {Recorded} part */
async function end(part) {
  // SIGINT is PostgreSQL's fast stop, see postgres.mjs.
  signalGroup(part.pid, part.name === 'postgres' ? 'SIGINT' : 'SIGTERM');
  const deadline = Date.now() + STOP_MS;
  while (Date.now() < deadline && isThere(part)) await pause(50);
  signalGroup(part.pid, 'SIGKILL');
  while (isThere(part)) await pause(20);
}
