import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { delimiter, join } from 'node:path';
import { ROOT } from './folders.mjs';
import { prepare } from './prepare.mjs';
import { indent } from './processes.mjs';
import { secondsSince } from './progress.mjs';

/** @returns {Promise<number>} the exit code */
export async function check() {
  await prepare({ build: false });
  const { scripts } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
  const results = await runAll([
    ['types', scripts.types],
    ['ESLint', scripts.lint],
    ['prettier', 'prettier --check . --log-level warn'],
    ['borders', scripts.borders],
    ['lock file', 'node tools/complete-lock.mjs --check'],
    ['generated files', 'node tools/generate.mjs --check'],
  ]);
  const failed = results.filter((passed) => !passed).length;
  process.stdout.write(`${results.length - failed} passed, ${failed} failed, 0 skipped\n`);
  return failed === 0 ? 0 : 1;
}

/** As many at once as there are processors. @param {[string, string][]} checks @returns {Promise<boolean[]>} which passed */
async function runAll(checks) {
  const waiting = [...checks];
  /** @type {boolean[]} */
  const results = [];
  const work = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) results.push(await runOne(...next));
  };
  await Promise.all(cpus().map(work));
  return results;
}

/** @param {string} name @param {string} command of the shell, with the installed packages' programs */
async function runOne(name, command) {
  const begun = performance.now();
  const path = [join(ROOT, 'node_modules', '.bin'), process.env.PATH].join(delimiter);
  const child = spawn('sh', ['-c', command], {
    cwd: ROOT,
    env: { ...process.env, PATH: path },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  const code = await new Promise((resolve) => child.once('close', resolve));
  process.stdout.write(`${code === 0 ? '✓' : '✗'} ${name.padEnd(16)} ${secondsSince(begun)}\n`);
  if (code !== 0) process.stdout.write(`${indent(output.trimEnd())}\n`);
  return code === 0;
}
