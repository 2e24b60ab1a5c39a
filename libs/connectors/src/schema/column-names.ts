import { LOAD_ID, RESCUED, ROW_NUMBER } from '../column';

/** PostgreSQL cuts longer identifiers. */
const MAX_BYTES = 63;

/** A column name for a name found in a file: lower snake case, letters and digits only, never empty, not beginning with a digit. */
export function snakeCase(source: string): string {
  const words = source
    .normalize('NFKC')
    .replace(/([\p{Ll}\d])(\p{Lu})/gu, '$1_$2')
    .replace(/(\p{Lu})(\p{Lu}\p{Ll})/gu, '$1_$2')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, '_')
    .replace(/^_+|_+$/g, '');
  const name = words === '' ? 'column' : words;
  return cut(/^\p{N}/u.test(name) ? `_${name}` : name, MAX_BYTES);
}

/** Every table has these columns already. */
const SYSTEM = new Set(['tableoid', 'xmin', 'cmin', 'xmax', 'cmax', 'ctid', LOAD_ID, RESCUED, ROW_NUMBER]);

/** A name for `source` that none of `taken` has; collisions are numbered in the order met, so always the same way. */
export function columnName(source: string, taken: ReadonlySet<string>): string {
  const base = snakeCase(source);
  let name = base;
  for (let n = 2; taken.has(name) || SYSTEM.has(name); n++)
    name = `${cut(base, MAX_BYTES - String(n).length - 1)}_${n}`;
  return name;
}

/** Cuts at a whole character. */
function cut(name: string, bytes: number): string {
  let result = name;
  while (Buffer.byteLength(result) > bytes) result = result.replace(/.$/su, '');
  return result;
}
