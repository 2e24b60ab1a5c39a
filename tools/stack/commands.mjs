import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { signalGroup } from './processes.mjs';

/** @type {Set<number>} */
const groups = new Set();

/** Ends the commands under way, whose callers then see them fail. */
export function stopCommands() {
  for (const leader of groups) signalGroup(leader, 'SIGTERM');
}

/**
 * @typedef {object} Command
 * @property {string} command
 * @property {string[]} args
 * @property {string} cwd
 * @property {NodeJS.ProcessEnv} env the whole environment
 * @property {string} logFile appended to
 * @property {(line: string) => void} [onLine]
 */

/**
 * Runs a command to its end, its output going to a file.
 * @param {Command} options
 * @returns {Promise<{ ok: boolean, how: string, output: string }>} `how` it ended; `output`: its last lines
 */
export async function runCommand({ command, args, cwd, env, logFile, onLine = () => {} }) {
  const child = spawn(command, args, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const log = createWriteStream(logFile, { flags: 'a' });
  // A full disk must not end us here: the command itself will say what is wrong.
  log.on('error', () => {});
  /** @type {string[]} */
  const last = [];
  for (const input of [child.stdout, child.stderr]) {
    createInterface({ input }).on('line', (line) => {
      log.write(`${line}\n`);
      if (last.push(line) > KEPT_LINES) last.shift();
      onLine(line);
    });
  }
  if (child.pid !== undefined) groups.add(child.pid);
  /** @type {string} */
  const how = await new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => resolve(signal === null ? `exit code ${code}` : `signal ${signal}`));
  });
  if (child.pid !== undefined) groups.delete(child.pid);
  await new Promise((resolve) => log.end(resolve));
  return { ok: how === 'exit code 0', how, output: last.join('\n') };
}

const KEPT_LINES = 40;
