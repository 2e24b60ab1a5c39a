/** `npm test [-- arguments of jest]`: all suites. The last line is `N passed, N failed, N skipped`; what was skipped is named. */
import { requireNode } from './stack/node-version.mjs';

requireNode();
const { runAsCommand } = await import('./stack/prepare.mjs');
const { test } = await import('./stack/run-tests.mjs');
await runAsCommand(() => test(process.argv.slice(2)));
