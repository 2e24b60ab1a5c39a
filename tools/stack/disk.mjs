import { statfs } from 'node:fs/promises';
import { codeOf, StackError } from './errors.mjs';

/**
 * The sentence for a full disk; `null` when the fault is another one.
 * @param {unknown} fault an error, or what a program printed
 * @param {string} folder which was written to
 */
export function noSpace(fault, folder) {
  const full = codeOf(fault) === 'ENOSPC' || /no space left on device|ENOSPC|disk quota exceeded/i.test(String(fault));
  return full ? tooFull(folder) : null;
}

/** @param {string} folder */
function tooFull(folder) {
  return new StackError(
    `There is not enough space on the disk which holds ${folder}. Free about 1 GB there, or set SLUICE_HOME and SLUICE_CACHE to folders on a larger disk.`,
  );
}

/** @param {string} folder that exists @param {number} bytes that will be written there */
export async function requireSpace(folder, bytes) {
  const { bavail, bsize } = await statfs(folder);
  if (bavail * bsize < bytes) throw tooFull(folder);
}
