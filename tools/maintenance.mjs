/** `npm run reconcile`, `npm run deployments:backfill`: the maintenance commands, on the servers named in the environment or else those of the embedded stack. */
import { requireNode } from './stack/node-version.mjs';

requireNode();
const { prepare, runAsCommand } = await import('./stack/prepare.mjs');
const { runMaintenance } = await import('./stack/maintenance.mjs');

await runAsCommand(async () => {
  await prepare({ build: true });
  return runMaintenance(process.argv.slice(2), process.env);
});
