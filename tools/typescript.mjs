/** Scripts that need a library of ours load its sources as they are: compiled in memory, with the settings of the tests. */
import { createRequire, Module } from 'node:module';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { transformSync } from '@swc/core';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const require = createRequire(import.meta.url);

/** @type {any} The loader of CommonJS; its hooks are public in fact, not in its types. */
const loader = Module;
const resolve = loader._resolveFilename;

/** @param {string} request @param {unknown[]} rest */
loader._resolveFilename = (request, ...rest) => {
  const library = /^@sluice\/([a-z-]+)$/.exec(request)?.[1];
  return resolve(library ? join(ROOT, 'libs', library, 'src/index.ts') : request, ...rest);
};

/** @param {{ _compile(code: string, file: string): void }} module @param {string} file */
loader._extensions['.ts'] = (module, file) => {
  const { code } = transformSync(readFileSync(file, 'utf8'), {
    filename: file,
    jsc: {
      target: 'es2022',
      parser: { syntax: 'typescript', decorators: true },
      transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
    },
    module: { type: 'commonjs' },
    sourceMaps: 'inline',
  });
  module._compile(code, file);
};

/**
 * A file of the repository (its path from there), or a package.
 * @param {string} target
 * @returns {any}
 */
export function requireTypeScript(target) {
  return require(target.includes('/') ? join(ROOT, target) : target);
}
