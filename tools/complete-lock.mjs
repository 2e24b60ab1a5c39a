/**
 * Completes `package-lock.json`: a binary for another system that the registry at hand does not hold is left out of it by `npm install`,
 * and then `npm ci` refuses the whole file, also on systems which never need that binary. Run this after each `npm install`; `--check` only looks.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ROOT } from './stack/folders.mjs';

const FILE = join(ROOT, 'package-lock.json');
const PLATFORM = /-(aix|android|darwin|freebsd|linux|netbsd|openbsd|openharmony|sunos|win32)-([a-z0-9]+)(?:-(.+))?$/;

/** @typedef {{ version?: string, dev?: boolean, optional?: boolean, optionalDependencies?: Record<string, string>, os?: string[], cpu?: string[], libc?: string[] }} Entry */

/** What is missing, by its path in the lock file. @param {Record<string, Entry>} packages @returns {Record<string, Entry>} */
function missing(packages) {
  /** @type {Record<string, Entry>} */
  const found = {};
  for (const [path, { optionalDependencies = {}, dev }] of Object.entries(packages)) {
    for (const [name, version] of Object.entries(optionalDependencies)) {
      if (/^\d/.test(version) && !isThere(packages, path, name))
        found[`node_modules/${name}`] = entry(name, version, dev);
    }
  }
  return found;
}

/** In the package's own node_modules or in one above, as Node looks for it. @param {Record<string, Entry>} packages @param {string} path @param {string} name */
function isThere(packages, path, name) {
  for (let at = path; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/node_modules/')))) {
    if (packages[at === '' ? `node_modules/${name}` : `${at}/node_modules/${name}`] !== undefined) return true;
    if (at === '') return false;
  }
}

/** @param {string} name @param {string} version @param {boolean | undefined} dev @returns {Entry} */
function entry(name, version, dev) {
  const [, os = '', cpu = '', rest = ''] = PLATFORM.exec(name) ?? [];
  const libc = os !== 'linux' ? [] : rest.startsWith('musl') ? ['musl'] : rest.startsWith('gnu') ? ['glibc'] : [];
  return {
    version,
    cpu: [cpu],
    ...(dev ? { dev } : {}),
    ...(libc.length > 0 ? { libc } : {}),
    optional: true,
    os: [os],
  };
}

const lock = JSON.parse(await readFile(FILE, 'utf8'));
const added = missing(lock.packages);
const names = Object.keys(added);
if (names.some((path) => !PLATFORM.test(path)))
  throw new Error(`Not named after a system: ${names.filter((path) => !PLATFORM.test(path)).join(', ')}`);
if (names.length > 0 && process.argv.includes('--check')) {
  console.error(
    `package-lock.json lacks ${names.length} binaries for other systems, so npm ci refuses it. Run node tools/complete-lock.mjs and commit the result.`,
  );
  process.exitCode = 1;
} else if (names.length > 0) {
  const all = Object.entries({ ...lock.packages, ...added }).sort(([one], [other]) => one.localeCompare(other, 'en'));
  await writeFile(FILE, `${JSON.stringify({ ...lock, packages: Object.fromEntries(all) }, null, 2)}\n`);
  console.log(`added: ${names.length}`);
}
