import { columnName } from '@sluice/connectors';
import type { DestinationInput } from '../inputs';
import { WRITE_MODES, type DestinationSpec } from '../types';
import { oneOf, onlyKnown, refuse } from './refuse';

/** PostgreSQL cuts longer names off without a word. */
const MAX_BYTES = 63;
/** Columns of a unique index (PostgreSQL, INDEX_MAX_KEYS). */
const MAX_KEYS = 32;
const OWN_SCHEMAS = ['sluice', 'sluice_control', 'information_schema'];

/** A destination with all its defaults. */
export function destinationSpec(input: DestinationInput): DestinationSpec {
  onlyKnown('destination', input, ['schema', 'table', 'write_mode', 'merge_keys']);
  const write_mode = oneOf('destination.write_mode', input.write_mode, WRITE_MODES, 'append');
  return {
    schema: schemaName(input.schema ?? 'public'),
    table: identifier('destination.table', input.table),
    write_mode,
    merge_keys: mergeKeys(input.merge_keys ?? [], write_mode),
  };
}

function schemaName(name: string): string {
  if (OWN_SCHEMAS.includes(name) || name.startsWith('pg_')) {
    refuse('destination.schema', name, 'is reserved', 'Choose a schema of your own, such as "public".');
  }
  return identifier('destination.schema', name);
}

function identifier(path: string, name: string): string {
  if (typeof name !== 'string' || name.trim() === '') refuse(path, name, 'is empty', 'Give a name.');
  if (name.includes('\0')) refuse(path, name, 'holds a NUL character', 'Leave it out.');
  const bytes = Buffer.byteLength(name);
  return bytes <= MAX_BYTES ? name : refuse(path, name, `has ${bytes} bytes`, `PostgreSQL takes at most ${MAX_BYTES}.`);
}

function mergeKeys(keys: string[], mode: string): string[] {
  const path = 'destination.merge_keys';
  if (mode !== 'merge') {
    if (keys.length > 0) refuse(path, keys, `do not go with write_mode "${mode}"`, 'Leave them out.');
    return keys;
  }
  if (keys.length === 0) {
    refuse(path, keys, 'are empty, and write_mode "merge" needs them', 'Name the columns that tell rows apart.');
  }
  if (keys.length > MAX_KEYS) refuse(path, keys, `are ${keys.length} columns`, `An index takes at most ${MAX_KEYS}.`);
  const twice = keys.find((key, index) => keys.indexOf(key) !== index);
  if (twice !== undefined) refuse(path, twice, 'is named twice', 'Name each column once.');
  if (keys.some((key) => typeof key !== 'string' || key.trim() === '')) {
    refuse(path, keys, 'hold an empty name', 'Name each column as the files or the table do.');
  }
  const same = keys.find((key, index) => keys.findIndex((other) => nameOf(other) === nameOf(key)) !== index);
  if (same !== undefined) {
    refuse(path, same, `becomes the column ${nameOf(same)}, as another key does`, 'Name each as the table does.');
  }
  return keys;
}

function nameOf(key: string): string {
  return columnName(key, new Set());
}
