import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { sluiceHome } from './folders.mjs';
import { cleanUp, isThere, readRunning, release } from './record.mjs';

const STOP_MS = 90_000;

/** Stops the stack of this home folder, however it was started. @param {NodeJS.ProcessEnv} env @returns {Promise<number>} the exit code */
export async function down(env) {
  const home = sluiceHome(env);
  const running = await readRunning(home);
  if (running === null) {
    process.stdout.write(`Nothing is running with ${home}.\n`);
    return 0;
  }
  if (isThere(running.supervisor)) await stop(running.supervisor);
  const left = await cleanUp((await readRunning(home))?.parts ?? []);
  if (left.length > 0) process.stdout.write(`Stopped what was left behind: ${left.join(', ')}.\n`);
  await rm(join(home, 'stack.json'), { force: true });
  await release(home);
  process.stdout.write('Stopped. The data stays.\n');
  return 0;
}

/** @param {import('./record.mjs').Recorded} supervisor */
async function stop(supervisor) {
  process.kill(supervisor.pid, 'SIGTERM');
  for (const deadline = Date.now() + STOP_MS; isThere(supervisor); await pause(50)) {
    if (Date.now() > deadline) process.kill(supervisor.pid, 'SIGKILL');
  }
}
