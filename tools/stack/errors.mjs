import { open } from 'node:fs/promises';

/** A fault a person can do something about. The message is the whole story: it is printed without a stack trace. */
export class StackError extends Error {
  /** @param {string} message @param {ErrorOptions} [options] */
  constructor(message, options) {
    super(message, options);
    this.name = 'StackError';
  }
}

/** @param {unknown} error @returns {string | undefined} the system's code, such as `ENOSPC` */
export function codeOf(error) {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}

const TAIL_BYTES = 8192;

/**
 * The end of a log file, for an error message; empty when it cannot be read.
 * @param {string} file @param {number} [lines]
 */
export async function tailOf(file, lines = 12) {
  const handle = await open(file, 'r').catch(() => null);
  if (handle === null) return '';
  try {
    const { size } = await handle.stat();
    const start = Math.max(0, size - TAIL_BYTES);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(TAIL_BYTES), 0, TAIL_BYTES, start);
    return buffer.subarray(0, bytesRead).toString('utf8').trimEnd().split('\n').slice(-lines).join('\n');
  } finally {
    await handle.close();
  }
}
