'use strict';
/**
 * Starts the flow-runner from code that was compiled when it was built. Without that code, or with that of another Node, it starts as well, only slower.
 * `--compile` makes it: all is loaded, and what was compiled by then is kept.
 */
const { readFileSync, writeFileSync } = require('node:fs');
const { createRequire, wrap } = require('node:module');
const { join } = require('node:path');
const { Script, constants } = require('node:vm');

const RUNNER = join(__dirname, 'runner.js');
/** V8 itself would take the code of another bundle that happens to be as long. */
const COMPILED = join(__dirname, `runner.${'BUILD'}.bin`);
const compiles = process.argv.includes('--compile');

/** @returns {Buffer | undefined} */
function compiled() {
  try {
    return compiles ? undefined : readFileSync(COMPILED);
  } catch {
    return undefined;
  }
}

const script = new Script(wrap(readFileSync(RUNNER, 'utf8')), {
  filename: RUNNER,
  cachedData: compiled(),
  importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
});
// The runner ends at once for want of a configuration, and by then all of it is loaded.
if (compiles)
  process.once('exit', () => {
    writeFileSync(COMPILED, script.createCachedData());
    process.exitCode = 0;
  });
script.runInThisContext()(exports, createRequire(RUNNER), module, RUNNER, __dirname);
