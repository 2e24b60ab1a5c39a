/** The maintenance commands, from their sources. */
import { requireTypeScript } from '../../tools/typescript.mjs';

requireTypeScript('apps/maintenance/src/main.ts');
