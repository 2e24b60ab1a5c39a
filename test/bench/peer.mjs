import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
export const CSV_OPTIONS = '(FORMAT csv, HEADER true)';

/** What psql calls itself, or `null` where there is none. @returns {Promise<string | null>} */
export async function psqlVersion() {
  try {
    return /\d[\d.]*/.exec((await run('psql', ['--version'])).stdout)?.[0] ?? null;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'ENOENT') return null;
    throw error;
  }
}

/**
 * One call of psql, all in one transaction. @param {string} url @param {string[]} commands
 * @returns {Promise<number>} seconds
 */
export async function psql(url, commands) {
  const begun = performance.now();
  const options = ['-X', '-q', '-1', '-v', 'ON_ERROR_STOP=1', '-d', url];
  await run('psql', [...options, ...commands.flatMap((command) => ['-c', command])]);
  return (performance.now() - begun) / 1000;
}

/** @param {string} table @param {string} file */
export function copyCommand(table, file) {
  return `\\copy ${table} FROM '${file}' ${CSV_OPTIONS}`;
}
