import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const KEEPER = fileURLToPath(new URL('./keeper.mjs', import.meta.url));

/** Starts the keeper and hands its addresses to the tests through the environment. */
export default async function globalSetup() {
  const keeper = fork(KEEPER, { detached: true, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  /** @type {Record<string, string>} */
  const answer = await new Promise((resolve, reject) => {
    keeper.once('message', resolve);
    keeper.once('exit', (code) => reject(new Error(`The keeper of the test servers ended early (exit code ${code}).`)));
  });
  if (answer.error !== undefined) throw new Error(answer.error);
  Object.assign(process.env, answer);
  Object.assign(globalThis, { sluiceKeeper: keeper });
}
