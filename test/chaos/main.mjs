/**
 * `npm run test:chaos`: the loader under kill -9, SIGSTOP beyond the lease and double starts; see chaos.ts. PostgreSQL and all else are its own.
 * A program beside the tests, since it takes minutes.
 */
import { requireTypeScript } from '../../tools/typescript.mjs';
import globalSetup from '../support/global-setup.mjs';
import globalTeardown from '../support/global-teardown.mjs';

const { readOptions } = requireTypeScript('test/chaos/options.ts');
const { chaos } = requireTypeScript('test/chaos/chaos.ts');

const options = readOptions(process.argv.slice(2));
await globalSetup();
try {
  process.exitCode = await chaos(options, (/** @type {string} */ line) => process.stdout.write(`${line}\n`));
} finally {
  await globalTeardown();
}
