import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ROOT, sluiceHome } from './folders.mjs';

/** The variables that `stack.json` can fill in. */
const FROM_STACK = {
  DATABASE_URL: 'database_url',
  DESTINATION_URL: 'destination_url',
  PREFECT_API_URL: 'prefect_api_url',
  PREFECT_WORK_POOL: 'work_pool',
};

/**
 * Runs a command of `apps/maintenance` to its end. @param {string[]} args @param {NodeJS.ProcessEnv} env @returns {Promise<number>} its exit code
 */
export async function runMaintenance(args, env) {
  const program = join(ROOT, 'dist/apps/maintenance/main.js');
  const child = spawn(process.execPath, [program, ...args], { cwd: ROOT, env: await completed(env), stdio: 'inherit' });
  // The child ends what it is at, and we wait for it. Ctrl-C reaches it without us, and a second one ends it at once.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
}

/**
 * What is not set is taken from the running stack, if there is one; nothing is, where an address is set that is not the stack's: one's database must not
 * meet another's Prefect.
 * @param {NodeJS.ProcessEnv} env
 */
export async function completed(env) {
  const text = await readFile(join(sluiceHome(env), 'stack.json'), 'utf8').catch(() => null);
  if (text === null) return env;
  const stack = JSON.parse(text);
  const all = Object.entries(FROM_STACK);
  if (all.some(([name, key]) => env[name] && env[name] !== stack[key])) return env;
  return { ...env, ...Object.fromEntries(all.map(([name, key]) => [name, stack[key]])) };
}
