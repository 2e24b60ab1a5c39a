/** `npm run test:ha`: Sluice before a highly available Prefect whose parts are killed and frozen; minutes long, so it is no part of `npm test`. */
import { requireNode } from './stack/node-version.mjs';

requireNode();
const { prepare, runAsCommand } = await import('./stack/prepare.mjs');

await runAsCommand(async () => {
  await prepare({ build: true });
  const { run } = await import('../test/ha/scenario.mjs');
  return run(process.argv.slice(2));
});
// When it was ended early its clients still try.
process.exit();
