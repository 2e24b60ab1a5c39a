/** The process that is killed: one real run of one ingestion; see runner.ts. */
import { requireTypeScript } from '../../tools/typescript.mjs';

await requireTypeScript('test/chaos/runner.ts').main();
