import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { signalGroup } from './processes.mjs';

/** @type {Map<number, Promise<unknown>>} */
const underWay = new Map();
let stopped = false;

/** Ends the commands under way, whose callers then see them fail, as those see it who want to run another one. */
export async function stopCommands() {
  stopped = true;
  for (const leader of underWay.keys()) signalGroup(leader, 'SIGTERM');
  await Promise.all(underWay.values());
}

/**
 * @typedef {object} Command
 * @property {string} command
 * @property {string[]} args
 * @property {string} cwd
 * @property {NodeJS.ProcessEnv} env the whole environment
 * @property {string} [logFile] appended to
 * @property {(line: string) => void} [onLine]
 * @property {{ uid: number, gid: number } | null} [user] to run as
 */

/**
 * Runs a command to its end, its output going to a file.
 * @param {Command} options
 * @returns {Promise<{ ok: boolean, how: string, output: string }>} `how` it ended; `output`: its last lines
 */
export async function runCommand({ command, args, cwd, env, logFile, onLine = () => {}, user }) {
  if (stopped) return { ok: false, how: 'not started: everything is being stopped', output: '' };
  const as = user ? { uid: user.uid, gid: user.gid } : {};
  const child = spawn(command, args, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'], ...as });
  /** @type {Promise<string>} */
  const end = new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => resolve(signal === null ? `exit code ${code}` : `signal ${signal}`));
  });
  if (child.pid !== undefined) underWay.set(child.pid, end);
  const lines = collect(child, logFile, onLine);
  const how = await end;
  if (child.pid !== undefined) underWay.delete(child.pid);
  return { ok: how === 'exit code 0', how, output: lines.join('\n') };
}

/**
 * Passes on what a command prints. @param {import('node:child_process').ChildProcess} child @param {string | undefined} logFile @param {(line: string) => void} onLine
 * @returns {string[]} its last lines, as they come
 */
function collect(child, logFile, onLine) {
  const log = logFile === undefined ? undefined : createWriteStream(logFile, { flags: 'a' });
  // A full disk must not end us here: the command itself will say what is wrong.
  log?.on('error', () => {});
  child.once('close', () => log?.end());
  /** @type {string[]} */
  const last = [];
  for (const input of [child.stdout, child.stderr]) {
    if (input === null) continue;
    createInterface({ input }).on('line', (raw) => {
      const line = raw.replace(COLOURS, '');
      log?.write(`${line}\n`);
      if (last.push(line) > KEPT_LINES) last.shift();
      onLine(line);
    });
  }
  return last;
}

const KEPT_LINES = 40;
const COLOURS = /\u001b\[[0-9;]*m/g;
