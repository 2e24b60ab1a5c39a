import { connect } from 'node:net';
import { mkdir, stat } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { startService, untilReady } from '../../tools/stack/processes.mjs';

const START_MS = 15_000;
const NAMES = ['redis-server', 'valkey-server'];

/** A Redis server program on the PATH; `null` when there is none. @param {NodeJS.ProcessEnv} [env] @returns {Promise<string | null>} */
export async function findRedis(env = process.env) {
  const folders = (env.PATH ?? '').split(delimiter).filter(Boolean);
  for (const path of NAMES.flatMap((name) => folders.map((folder) => join(folder, name)))) {
    if ((await stat(path).catch(() => null))?.isFile()) return path;
  }
  return null;
}

/** Starts it at 127.0.0.1; nothing of it outlives it. @param {{ program: string, port: number, folder: string, logFile: string }} options */
export async function startRedis({ program, port, folder, logFile }) {
  await mkdir(folder, { recursive: true });
  const service = await startService({
    name: 'Redis',
    command: program,
    args: ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder],
    env: process.env,
    cwd: folder,
    logFile,
  });
  await untilReady(service, () => answersPing(port), { timeoutMs: START_MS });
  return service;
}

/** @param {number} port @returns {Promise<boolean>} */
function answersPing(port) {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', timeout: 1000 }, () => socket.write('PING\r\n'));
    socket.once('error', reject);
    socket.once('timeout', () => socket.destroy(new Error('no answer')));
    socket.once('data', (answer) => {
      socket.destroy();
      resolve(answer.toString().startsWith('+PONG'));
    });
  });
}
