/** `npm run down`: stops the embedded stack. */
import { requireNode } from './stack/node-version.mjs';

requireNode();
const { down } = await import('./stack/down.mjs');
process.exitCode = await down(process.env);
