import { join } from 'node:path';
import { ensureBuilt } from './build.mjs';
import { ensureInstalled } from './install.mjs';
import { secondsSince } from './progress.mjs';
import { makeHome } from './settings.mjs';

/** Installs and, if wanted, builds what is missing, for commands that need it. @param {{ build: boolean }} options */
export async function prepare({ build }) {
  const { env } = process;
  const { logs } = await makeHome(env);
  await timed('packages installed', ensureInstalled({ env, logFile: join(logs, 'npm.log') }));
  if (build) await timed('built', ensureBuilt({ env, logFile: join(logs, 'build.log') }));
}

/** @param {string} what @param {Promise<boolean>} done */
async function timed(what, done) {
  const begun = performance.now();
  if (await done) process.stdout.write(`${what} in ${secondsSince(begun).trim()}\n`);
}

/** Runs a command of ours: a fault a person can mend is a sentence, and the exit code says it. @param {() => Promise<number>} command */
export async function runAsCommand(command) {
  try {
    process.exitCode = await command();
  } catch (error) {
    const expected = error instanceof Error && error.name === 'StackError';
    process.stderr.write(`${error instanceof Error ? (expected ? error.message : error.stack) : error}\n`);
    process.exitCode = 1;
  }
}
