import { spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/**
 * A whole stack of its own. `files`: where the data lies; else in an empty folder of its own.
 * @param {string} [files]
 * @returns {Promise<import('./sluice.mjs').Stack & { prefectApiUrl: string }>}
 */
export async function benchStack(files) {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-'));
  await chmod(folder, 0o755);
  const data = files ?? join(folder, 'data');
  await mkdir(data, { recursive: true });
  const env = { ...process.env, SLUICE_HOME: join(folder, 'home'), SLUICE_FILE_ROOTS: data, LOG_LEVEL: 'warn' };
  const stop = async () => {
    await node(['tools/down.mjs'], env);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await node(['tools/up.mjs', '--detach', '--no-sample'], env);
    const stack = JSON.parse(await readFile(join(env.SLUICE_HOME, 'stack.json'), 'utf8'));
    return {
      apiUrl: `${stack.api_url}/api/v1`,
      prefectApiUrl: stack.prefect_api_url,
      destinationUrl: stack.destination_url,
      parentPid: stack.pids.prefect_worker,
      data,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** @param {string[]} args @param {NodeJS.ProcessEnv} env @returns {Promise<void>} */
function node(args, env) {
  const child = spawn(process.execPath, args, { cwd: ROOT, env, stdio: ['ignore', 'ignore', 'inherit'] });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) =>
      code === 0 ? resolve() : reject(new Error(`node ${args.join(' ')} ended with ${code}`)),
    );
  });
}

/**
 * @param {string} apiUrl @param {string} method @param {string} path @param {unknown} [body]
 * @returns {Promise<any>} the answer's body
 */
export async function call(apiUrl, method, path, body) {
  const answer = await fetch(`${apiUrl}${path}`, {
    method,
    headers: body === undefined ? {} : { 'content-type': 'application/json' },
    body: body === undefined ? null : JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return text === '' ? null : JSON.parse(text);
}

/** @param {number[]} values @returns {number} */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const [low, high] = [sorted[middle - (1 - (sorted.length % 2))] ?? NaN, sorted[middle] ?? NaN];
  return (low + high) / 2;
}
