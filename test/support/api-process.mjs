/** Starts `api-process.ts` from the sources. */
import { requireTypeScript } from '../../tools/typescript.mjs';

await requireTypeScript('test/support/api-process.ts').serve();
