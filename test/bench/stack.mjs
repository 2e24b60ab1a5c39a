import { spawn } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/**
 * A stack of its own with an empty data folder.
 * @returns {Promise<{ apiUrl: string, prefectApiUrl: string, destinationUrl: string, data: string, workerPid: number, stop: () => Promise<void> }>}
 */
export async function benchStack() {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-'));
  await chmod(folder, 0o755);
  const data = join(folder, 'data');
  await mkdir(data);
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
      workerPid: stack.pids.prefect_worker,
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
