/** `npm run check`: everything a machine can say about the code without running it. The last line is `N passed, N failed, N skipped`. */
import { requireNode } from './stack/node-version.mjs';

requireNode();
const { runAsCommand } = await import('./stack/prepare.mjs');
const { check } = await import('./stack/run-checks.mjs');
await runAsCommand(check);
