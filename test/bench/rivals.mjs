import { execFile } from 'node:child_process';
import { chmod, mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { findPython } from '../../tools/stack/python.mjs';
import { watchMemory } from './memory.mjs';

const run = promisify(execFile);
const HERE = fileURLToPath(new URL('./rivals/', import.meta.url));
const SLING =
  "import os, sling_linux_amd64 as it; print(os.path.join(os.path.dirname(it.__file__), 'bin', 'sling-linux-amd64'))";
const VERSION = 'import sys; from importlib.metadata import version; print(version(sys.argv[1]))';

/** @typedef {import('./sluice.mjs').Measured} Measured */
/** @typedef {{ name: string, table: string, load: (files: string, url: string) => Promise<Measured> }} Rival `name` with its version; `load` takes a path or a glob */

/** @typedef {'dlt' | 'sling'} RivalName */

/**
 * Installs a rival from PyPI into a virtual environment below `folder`, in the pinned version.
 * @param {RivalName} rival @param {string} folder @returns {Promise<Rival | { missing: string }>} `missing`: why it cannot take part
 */
export async function installRival(rival, folder) {
  try {
    const python = await environment(rival, folder);
    return await (rival === 'dlt' ? dlt(python, folder) : sling(python, folder));
  } catch (error) {
    return {
      missing: String(error instanceof Error ? error.message : error)
        .trim()
        .slice(-500),
    };
  }
}

/** @param {RivalName} rival @param {string} folder @returns {Promise<string>} its Python */
async function environment(rival, folder) {
  const { executable } = await findPython();
  const venv = join(folder, `${rival}-venv`);
  await run(executable, ['-m', 'venv', venv]);
  const python = join(venv, 'bin', 'python');
  await run(python, ['-m', 'pip', 'install', '--quiet', '--requirement', join(HERE, `${rival}.txt`)]);
  return python;
}

/** @param {string} python @param {string} folder @returns {Promise<Rival>} */
async function dlt(python, folder) {
  const versions = await Promise.all(['dlt', 'duckdb', 'pyarrow'].map((name) => versionOf(python, name)));
  return {
    name: `dlt ${versions[0]} (DuckDB ${versions[1]} + Arrow ${versions[2]} to CSV)`,
    table: 'dlt_peer.trips',
    load: async (files, url) => {
      const own = await mkdtemp(join(folder, 'dlt-'));
      const args = [join(HERE, 'dlt_load.py'), files, url, own];
      const { stdout, memory } = await watched(python, args, 'dlt_load', { RUNTIME__DLTHUB_TELEMETRY: 'false' }, own);
      return { seconds: JSON.parse(stdout.trim().split('\n').at(-1) ?? '').seconds, memory };
    },
  };
}

/** @param {string} python @param {string} folder @returns {Promise<Rival>} */
async function sling(python, folder) {
  const binary = (await run(python, ['-c', SLING])).stdout.trim();
  await chmod(binary, 0o755);
  return {
    name: `sling ${await versionOf(python, 'sling-linux-amd64')}`,
    table: 'public.trips_sling',
    load: async (file, url) => {
      const own = await mkdtemp(join(folder, 'sling-'));
      const env = { PEER: `${url}?sslmode=disable`, SLING_HOME_DIR: own, SLING_DISABLE_TELEMETRY: 'TRUE' };
      const target = ['--tgt-conn', 'PEER', '--tgt-object', 'public.trips_sling', '--mode', 'full-refresh'];
      const args = ['run', '--src-stream', `file://${file}`, ...target];
      const { seconds, memory } = await watched(binary, args, 'sling-linux-amd64', env, own);
      return { seconds, memory };
    },
  };
}

/** @param {string} python @param {string} name */
async function versionOf(python, name) {
  return (await run(python, ['-c', VERSION, name])).stdout.trim();
}

/** @param {string} command @param {string[]} args @param {string} word of its command line @param {Record<string, string>} env @param {string} cwd */
async function watched(command, args, word, env, cwd) {
  const watching = watchMemory(process.pid, word);
  const begun = performance.now();
  try {
    const { stdout } = await run(command, args, { cwd, env: { ...process.env, ...env }, maxBuffer: 1 << 26 });
    return { stdout, seconds: (performance.now() - begun) / 1000, memory: await watching.stop() };
  } finally {
    await watching.stop();
  }
}
