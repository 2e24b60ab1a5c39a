import { createHash } from 'node:crypto';
import { mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { runCommand } from './commands.mjs';
import { noSpace, requireSpace } from './disk.mjs';
import { codeOf, StackError } from './errors.mjs';
import { cacheFolder, ROOT } from './folders.mjs';
import { indent, isAlive } from './processes.mjs';

import { findPython } from './python.mjs';

export const LOCK = join(ROOT, 'docker', 'prefect', 'requirements.lock');
/** The same and what several servers before one database need (Redis). */
export const HA_LOCK = join(ROOT, 'docker', 'prefect', 'requirements-ha.lock');
const NEEDED_BYTES = 700 * 1024 * 1024;

/**
 * The Python of a virtual environment that holds exactly what the lock file says. Built once for each lock and Python version, then found at once.
 * @param {{ env?: NodeJS.ProcessEnv, report?: (progress: string) => void, lockFile?: string }} [options]
 * @returns {Promise<string>} path of its interpreter
 */
export async function prefectPython({ env = process.env, report = () => {}, lockFile = LOCK } = {}) {
  const lock = await readFile(lockFile, 'utf8');
  const python = await findPython(env);
  const cache = await cacheFolder(env);
  const name = `prefect-${createHash('sha256').update(lock).digest('hex').slice(0, 12)}-python${python.version}`;
  const folder = join(cache, name);
  if (!(await isComplete(folder))) {
    await alone(folder, report, async () => {
      if (!(await isComplete(folder))) await build(folder, python.executable, { lockFile, lock, env, report });
    });
  }
  return interpreter(folder);
}

/** @param {string} folder */
const interpreter = (folder) => join(folder, 'bin', 'python');

/** The mark is written last; the interpreter is a link to a Python that may be gone since. @param {string} folder */
async function isComplete(folder) {
  return Boolean(
    (await stat(join(folder, 'complete')).catch(() => null)) && (await stat(interpreter(folder)).catch(() => null)),
  );
}

/** @param {string} folder @param {string} python @param {{ lockFile: string, lock: string, env: NodeJS.ProcessEnv, report: (progress: string) => void }} options */
async function build(folder, python, { lockFile, lock, env, report }) {
  await rm(folder, { recursive: true, force: true });
  await requireSpace(join(folder, '..'), NEEDED_BYTES);
  report('making a virtual environment');
  await run(python, ['-m', 'venv', folder], { env, folder });
  const total = countPackages(lock);
  let seen = 0;
  const pip = [
    '-m',
    'pip',
    'install',
    '--require-hashes',
    '--no-deps',
    '--only-binary=:all:',
    '--disable-pip-version-check',
    '--no-input',
    '--progress-bar=off',
    '-r',
    lockFile,
  ];
  await run(interpreter(folder), pip, {
    env,
    folder,
    onLine: (line) => {
      if (line.startsWith('Collecting '))
        report(`downloading ${Math.min((seen += 1), total)} of about ${total} packages`);
      if (line.startsWith('Installing ')) report('installing the packages');
    },
  });
  await writeFile(join(folder, 'complete'), '');
}

/** Packages, not lines: one that differs between platforms stands there several times. @param {string} lock */
function countPackages(lock) {
  return new Set([...lock.matchAll(/^([A-Za-z0-9_.-]+)==/gm)].map((match) => match[1])).size;
}

/**
 * @param {string} command @param {string[]} args
 * @param {{ env: NodeJS.ProcessEnv, folder: string, onLine?: (line: string) => void }} options
 */
async function run(command, args, { env, folder, onLine }) {
  const logFile = `${folder}.log`;
  const own = { PYTHONUNBUFFERED: '1', PYTHONHOME: undefined, PYTHONPATH: undefined };
  const result = await runCommand({
    command,
    args,
    cwd: ROOT,
    env: { ...env, ...own },
    logFile,
    ...(onLine ? { onLine } : {}),
  });
  if (result.ok) return;
  await rm(folder, { recursive: true, force: true });
  throw noSpace(result.output, folder) ?? notInstalled(folder, logFile, result);
}

/** @param {string} folder @param {string} logFile @param {{ how: string, output: string }} result */
function notInstalled(folder, logFile, { how, output }) {
  return new StackError(
    `Prefect could not be installed into ${folder} (${how}). ` +
      'Look whether the package index can be reached (pip takes its address and proxy from its own settings), then try again. ' +
      `The log is ${logFile}; the end of it:\n${indent(output.split('\n').slice(-8).join('\n'))}`,
  );
}

/**
 * Does the work while no other process does it for the same folder. A holder that died is passed over.
 * @param {string} folder @param {(progress: string) => void} report @param {() => Promise<void>} work
 */
async function alone(folder, report, work) {
  const lock = `${folder}.lock`;
  await mkdir(join(folder, '..'), { recursive: true });
  for (;;) {
    try {
      await writeFile(lock, String(process.pid), { flag: 'wx' });
      break;
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw noSpace(error, folder) ?? error;
      const holder = Number(await readFile(lock, 'utf8').catch(() => ''));
      if (holder > 0 && !isAlive(holder)) await rm(lock, { force: true });
      report('waiting for another process which installs it');
      await pause(500);
    }
  }
  try {
    await work();
  } finally {
    await rm(lock, { force: true });
  }
}
