/** `apps/preview` from its sources, so that tests of it need no build. */
import { requireTypeScript } from '../../tools/typescript.mjs';

requireTypeScript('apps/preview/src/main.ts');
