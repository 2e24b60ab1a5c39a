/** Holds one Prefect worker for a test file: told what to start by its first message, it stops the worker when the channel closes, also when the tests died. */
import { freePort } from '../../tools/stack/ports.mjs';
import { startPrefectWorker } from '../../tools/stack/prefect.mjs';
import { stopAllServices } from '../../tools/stack/processes.mjs';

let ending = false;

async function end() {
  if (ending) return;
  ending = true;
  await stopAllServices();
  process.exit(0);
}

process.once('message', async (/** @type {any} */ options) => {
  try {
    const worker = await startPrefectWorker({ ...options, name: `test-${await freePort()}` });
    process.send?.({ pid: worker.pid });
  } catch (error) {
    process.send?.({ error: error instanceof Error ? error.message : String(error) });
  }
});
process.once('disconnect', end);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, end);
