import type { DestinationInput } from '../inputs';
import { WRITE_MODES, type DestinationSpec } from '../types';
import { oneOf, onlyKnown, refuse } from './refuse';

/** PostgreSQL cuts longer names off without a word. */
const MAX_BYTES = 63;
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
  if (keys.length > 0 && mode !== 'merge') {
    refuse('destination.merge_keys', keys, `do not go with write_mode "${mode}"`, 'Leave them out.');
  }
  return keys;
}
