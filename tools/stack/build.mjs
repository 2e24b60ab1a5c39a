import { createHash } from 'node:crypto';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runCommand } from './commands.mjs';
import { noSpace } from './disk.mjs';
import { StackError } from './errors.mjs';
import { ROOT } from './folders.mjs';
import { indent } from './processes.mjs';

const SOURCES = ['apps', 'libs', 'nest-cli.json', 'package-lock.json', 'tsconfig.json'];
const PRODUCTS = [
  ...['api', 'preview', 'maintenance'].map((name) => `dist/apps/${name}/main.js`),
  'dist/apps/flow-runner/runner.js',
];
const STAMP = join(ROOT, 'dist', '.built-from');

/**
 * Builds the programs, unless they were built from just these sources.
 * @param {{ env: NodeJS.ProcessEnv, logFile: string }} options
 * @returns {Promise<boolean>} whether something was done
 */
export async function ensureBuilt({ env, logFile }) {
  const digest = await digestOfSources();
  if (await isBuiltFrom(digest)) return false;
  const npm = env.npm_execpath ? { command: process.execPath, args: [env.npm_execpath] } : { command: 'npm', args: [] };
  const result = await runCommand({
    ...npm,
    args: [...npm.args, 'run', 'build'],
    cwd: ROOT,
    env: { ...env, NO_COLOR: '1', FORCE_COLOR: undefined },
    logFile,
  });
  if (!result.ok) throw noSpace(result.output, ROOT) ?? notBuilt(logFile, result);
  await writeFile(STAMP, digest);
  return true;
}

/** @param {string} logFile @param {{ how: string, output: string }} result */
function notBuilt(logFile, { how, output }) {
  return new StackError(
    `The build failed (${how}). Its log is ${logFile}; the end of it:\n${indent(output.split('\n').slice(-20).join('\n'))}`,
  );
}

/** @param {string} digest */
async function isBuiltFrom(digest) {
  const there = await Promise.all(PRODUCTS.map((path) => stat(join(ROOT, path)).catch(() => null)));
  return there.every(Boolean) && (await readFile(STAMP, 'utf8').catch(() => '')) === digest;
}

async function digestOfSources() {
  const hash = createHash('sha256');
  for (const source of SOURCES) {
    for (const path of await filesBelow(source)) hash.update(`${path}\0`).update(await readFile(join(ROOT, path)));
  }
  return hash.digest('hex');
}

/** @param {string} path of a file or folder below the repository @returns {Promise<string[]>} */
async function filesBelow(path) {
  if (!(await stat(join(ROOT, path))).isDirectory()) return [path];
  const entries = await readdir(join(ROOT, path), { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && !/\.spec\.ts$/.test(entry.name));
  return files.map((entry) => join(entry.parentPath ?? entry.path, entry.name).slice(ROOT.length + 1)).sort();
}
