/** `npm run up`: starts the embedded stack. Needs nothing but Node; the installation is its first step. */
import { requireNode } from './stack/node-version.mjs';

requireNode();
const { up } = await import('./stack/up.mjs');
process.exitCode = await up(process.argv.slice(2), process.env);
