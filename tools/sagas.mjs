/** `npm run test:sagas`: the API killed at each of its calls to the outside; minutes long, so only a part of it is in `npm test`. */
import { requireNode } from './stack/node-version.mjs';

requireNode();
const { prepare, runAsCommand } = await import('./stack/prepare.mjs');

await runAsCommand(async () => {
  await prepare({ build: true });
  const { run } = await import('../test/sagas/main.mjs');
  return run(process.argv.slice(2));
});
