import { chmod, cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canReach, postgresUser } from '../../tools/stack/folders.mjs';
import { killAllServices, stopAllServices } from '../../tools/stack/processes.mjs';

/**
 * Runs a program that starts servers of its own below a temporary folder. However it ends (except by kill -9) they end and the folder goes;
 * the logs stay when it did not end with 0.
 * @param {string} name @param {(folder: string) => Promise<number>} work resolves with the exit code
 */
export async function inOwnFolder(name, work) {
  const base = (await canReach(tmpdir(), postgresUser())) ? tmpdir() : '/tmp';
  const folder = await mkdtemp(join(base, `sluice-${name}-`));
  // PostgreSQL's own user must be able to enter.
  await chmod(folder, 0o755);
  const end = async () => {
    await stopAllServices();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  process.once('exit', killAllServices);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
    process.once(signal, () => void end().then(() => process.exit(130)));
  let code = 1;
  try {
    code = await work(folder);
    return code;
  } finally {
    if (code !== 0) await keepLogs(folder);
    await end();
  }
}

/** @param {string} folder */
async function keepLogs(folder) {
  const kept = `${folder}-logs`;
  await cp(join(folder, 'home', 'logs'), kept, { recursive: true }).catch(() => {});
  console.log(`The logs of all processes: ${kept}`);
}
