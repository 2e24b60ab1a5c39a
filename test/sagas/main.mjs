/**
 * `npm run test:sagas [-- --clock real] [--lanes N] [--only TITLE]`: the API killed at every call that its operations make to PostgreSQL and Prefect, and
 * started again; prints the table of all points. `--clock real` waits for the expiry of what a dead process holds, instead of moving the clock of its
 * rows. A program beside the tests, since it takes minutes.
 */
import { parseArgs } from 'node:util';
import { requireTypeScript } from '../../tools/typescript.mjs';
import globalSetup from '../support/global-setup.mjs';
import globalTeardown from '../support/global-teardown.mjs';

/** @param {string[]} args @returns {Promise<number>} the exit code */
export async function run(args) {
  const text = /** @type {const} */ ({ type: 'string' });
  const { values } = parseArgs({ args, options: { clock: text, lanes: text, only: text } });
  const { playSagas, tableOf } = requireTypeScript('test/sagas/sagas.ts');
  await globalSetup();
  try {
    const verdicts = await playSagas({
      lanes: Number(values.lanes ?? 3),
      clock: values.clock === 'real' ? 'real' : 'moved',
      only: (/** @type {{ title: string }} */ { title }) => values.only === undefined || title === values.only,
      print: (/** @type {string} */ line) => process.stderr.write(`${line}\n`),
    });
    for (const line of tableOf(verdicts)) process.stdout.write(`${line}\n`);
    return verdicts.length > 0 && verdicts.every((/** @type {{ wrong: [] }} */ it) => it.wrong.length === 0) ? 0 : 1;
  } finally {
    await globalTeardown();
  }
}
