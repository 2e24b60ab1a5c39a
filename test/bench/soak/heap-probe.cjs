/**
 * Loaded into the API before it starts (NODE_OPTIONS), so that its memory can be measured after a whole garbage collection: at SIGUSR2 it collects twice and
 * writes what is left to the file named in SOAK_HEAP_FILE.
 */
const { renameSync, writeFileSync } = require('node:fs');
const { setFlagsFromString } = require('node:v8');
const { runInNewContext } = require('node:vm');

const file = process.env.SOAK_HEAP_FILE ?? '';
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');

process.on('SIGUSR2', () => {
  collect();
  // What finalizers let go of goes with the second one.
  setImmediate(() => {
    collect();
    const { heapUsed, external } = process.memoryUsage();
    writeFileSync(`${file}.part`, String(heapUsed + external));
    renameSync(`${file}.part`, file);
  });
});
