import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from './commands.mjs';
import { noSpace } from './disk.mjs';
import { StackError } from './errors.mjs';
import { ROOT } from './folders.mjs';
import { indent } from './processes.mjs';

/** @typedef {Record<string, { version?: string, optional?: boolean, devOptional?: boolean, link?: boolean, peer?: boolean }>} Packages */

/**
 * Installs what the lock file says, unless just that is there.
 * @param {{ env: NodeJS.ProcessEnv, logFile: string }} options
 * @returns {Promise<boolean>} whether something was done
 */
export async function ensureInstalled({ env, logFile }) {
  if (await isInstalled()) return false;
  const npm = env.npm_execpath ? { command: process.execPath, args: [env.npm_execpath] } : { command: 'npm', args: [] };
  const result = await runCommand({
    command: npm.command,
    args: [...npm.args, 'ci', '--include=dev', '--no-audit', '--no-fund'],
    cwd: ROOT,
    env: { ...env, NODE_ENV: '' },
    logFile,
  });
  if (!result.ok) throw noSpace(result.output, ROOT) ?? notInstalled(logFile, result);
  return true;
}

/** @param {string} logFile @param {{ how: string, output: string }} result */
function notInstalled(logFile, { how, output }) {
  return new StackError(
    `npm ci failed (${how}). Look whether the npm registry can be reached (npm config get registry), then try again. ` +
      `The log is ${logFile}; the end of it:\n${indent(output.split('\n').slice(-12).join('\n'))}`,
  );
}

/** npm leaves beside the packages a list of what it has put there: it must be the lock file's, apart from packages for other systems. */
export async function isInstalled() {
  const [wanted, found] = await Promise.all([
    packagesOf('package-lock.json'),
    packagesOf('node_modules/.package-lock.json'),
  ]);
  if (wanted === null || found === null) return false;
  return Object.entries(wanted).every(([path, { version, optional, devOptional }]) => {
    if (path === '') return true;
    return found[path] === undefined ? Boolean(optional || devOptional) : found[path].version === version;
  });
}

/** @param {string} file @returns {Promise<Packages | null>} */
async function packagesOf(file) {
  const text = await readFile(join(ROOT, file), 'utf8').catch(() => null);
  return text === null ? null : JSON.parse(text).packages;
}
