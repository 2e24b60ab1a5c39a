import { resolve, sep } from 'node:path';
import type { SourceInput } from '../inputs';
import { SOURCE_TYPES, type SourceSpec, VERIFY } from '../types';
import { filePattern } from './glob';
import { oneOf, onlyKnown, refuse } from './refuse';

/**
 * A source with all its defaults, without its credentials. The path is only read, not looked up: the folder may come later, and
 * links are resolved when it is opened.
 */
export function sourceSpec(input: SourceInput, roots: readonly string[]): SourceSpec {
  onlyKnown('source', input, ['type', 'path', 'file_pattern', 'options', 'credentials']);
  return {
    type: oneOf('source.type', input.type, SOURCE_TYPES),
    path: pathBelow(input.path, roots),
    file_pattern: filePattern(input.file_pattern ?? '*'),
    options: optionsOf(input.options),
  };
}

function pathBelow(path: string, roots: readonly string[]): string {
  if (path.trim() === '') refuse('source.path', path, 'is empty', 'Give a folder below SLUICE_FILE_ROOTS.');
  if (path.includes('\0')) refuse('source.path', path, 'holds a NUL character', 'Leave it out.');
  if (roots.some((root) => isBelow(path, root))) return path;
  return refuse('source.path', path, 'is not below a folder of SLUICE_FILE_ROOTS', remedy(roots));
}

/** Relative paths count from the working folder, as `FileSource` and `SLUICE_FILE_ROOTS` count them. */
function isBelow(path: string, root: string): boolean {
  const full = resolve(path);
  return full === root || full.startsWith(root.endsWith(sep) ? root : root + sep);
}

function remedy(roots: readonly string[]): string {
  return roots.length === 0
    ? 'Set SLUICE_FILE_ROOTS to the folders that may be read.'
    : `Local files may be read below: ${roots.join(', ')}.`;
}

function optionsOf(input: SourceInput['options'] = {}): SourceSpec['options'] {
  onlyKnown('source.options', input, ['verify']);
  const { verify } = input;
  return verify === undefined ? {} : { verify: oneOf('source.options.verify', verify, VERIFY) };
}
