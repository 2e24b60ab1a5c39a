/** `npm run bench:load`, `bench:formats`, `bench:trigger`, `bench:soak`: measures on a stack of its own, in a temporary folder, with default server settings. */
import { requireNode } from './stack/node-version.mjs';

requireNode();
const { prepare, runAsCommand } = await import('./stack/prepare.mjs');
const BENCHES = new Set(['load', 'formats', 'trigger', 'soak']);

await runAsCommand(async () => {
  const name = process.argv[2] ?? '';
  if (!BENCHES.has(name)) {
    process.stderr.write(`Which one? npm run bench:${[...BENCHES].join(', npm run bench:')}\n`);
    return 2;
  }
  await prepare({ build: true });
  const { bench } = await import(`../test/bench/${name}.mjs`);
  return bench(process.argv.slice(3));
});
