const { spawnSync } = require('node:child_process');
const { readFileSync } = require('node:fs');
const { join } = require('node:path');

/**
 * One flow run is one process, so its start is paid a thousand times. It reads one file instead of some two thousand, compiled ahead (see launch.cjs);
 * measured on a busy machine: 0.6 s of CPU before, 0.2 s after. Packages that are not installed (other databases of TypeORM, optional parts of Nest)
 * and those with native code stay outside; their `require` is met at run time.
 *
 * @param {object} options as Nest makes them
 */
module.exports = (options) => ({
  ...options,
  output: { ...options.output, filename: options.output.filename.replace('main.js', 'runner.js') },
  externals: [
    ({ request, context }, callback) => {
      if (isBundled(request, context)) callback();
      else callback(undefined, `commonjs ${request}`);
    },
  ],
  plugins: [...options.plugins, new Launcher(options.output.filename)],
});

const OUTSIDE = [/^@duckdb\/node-bindings/, /^zstd-codec/];

/** @param {string} request @param {string} context the folder of who asks */
function isBundled(request, context) {
  if (/^[./]/.test(request) || request.startsWith('@sluice/')) return true;
  if (OUTSIDE.some((name) => name.test(request))) return false;
  try {
    return require.resolve(request, { paths: [context, __dirname] }) !== request;
  } catch {
    return false;
  }
}

/** Lays launch.cjs beside the bundle as `main.js`, and has it compile the bundle once. */
class Launcher {
  /** @param {string} name with its folder, below the output's */
  constructor(name) {
    this.name = name;
  }

  /** @param {any} compiler webpack's */
  apply(compiler) {
    const { RawSource } = compiler.webpack.sources;
    // What is loaded later (DuckDB's 120 files of JavaScript) is in the one file, too.
    new compiler.webpack.optimize.LimitChunkCountPlugin({ maxChunks: 1 }).apply(compiler);
    compiler.hooks.thisCompilation.tap('Launcher', (compilation) => {
      compilation.hooks.processAssets.tap('Launcher', (assets) => {
        const runner = compiler.webpack.util
          .createHash('xxhash64')
          .update(assets[this.name.replace('main.js', 'runner.js')].buffer())
          .digest('hex');
        const launch = readFileSync(join(__dirname, 'launch.cjs'), 'utf8').replace("'BUILD'", `'${runner}'`);
        compilation.emitAsset(this.name, new RawSource(launch));
      });
    });
    compiler.hooks.afterEmit.tap('Launcher', ({ outputOptions }) => {
      const { stderr, status } = spawnSync(process.execPath, [join(outputOptions.path, this.name), '--compile'], {
        env: {},
      });
      if (status !== 0) throw new Error(`The flow-runner could not be compiled ahead: ${stderr}`);
    });
  }
}
