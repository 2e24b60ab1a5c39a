import { columnName, type ColumnType, MAX_COLUMNS } from '@sluice/connectors';
import type { SchemaInput } from '../inputs';
import type { DestinationSpec, SchemaSpec } from '../types';
import { columnType } from './column-type';
import { flag, oneOf, onlyKnown, refuse } from './refuse';

const REMEDY = 'Leave it out for false.';

/** What is known of the columns, with all defaults. `drop_removed` has an effect only with `sync_all_columns` and is kept otherwise. */
export function schemaSpec(input: SchemaInput = {}): SchemaSpec {
  onlyKnown('schema', input, ['columns', 'all_text', 'mode', 'locked', 'drop_removed']);
  const columns = columnTypes(input.columns ?? {});
  const mode = oneOf('schema.mode', input.mode, ['infer', 'given'], 'infer');
  if (mode === 'given' && Object.keys(columns).length === 0) {
    refuse('schema.columns', columns, 'is empty, and schema.mode "given" takes no others', 'Name every column.');
  }
  return {
    columns,
    all_text: flag('schema.all_text', input.all_text, REMEDY),
    mode,
    locked: flag('schema.locked', input.locked, REMEDY),
    drop_removed: flag('schema.drop_removed', input.drop_removed, REMEDY),
  };
}

function columnTypes(input: Record<string, string>): Record<string, ColumnType> {
  const entries = Object.entries(input);
  if (entries.length > MAX_COLUMNS) {
    refuse('schema.columns', entries.length, 'columns are too many', `At most ${MAX_COLUMNS}.`);
  }
  return Object.fromEntries(entries.map(([source, type]) => [source, columnType(`schema.columns.${source}`, type)]));
}

/** Where all columns are given, a key that is none of them could never be found. Else the files tell. */
export function assertKeysKnown({ merge_keys }: DestinationSpec, { mode, columns }: SchemaSpec): void {
  if (mode !== 'given') return;
  const known = namesOf(Object.keys(columns));
  const unknown = merge_keys.find((key) => !known.has(key));
  if (unknown === undefined) return;
  const remedy = `Known there: ${Object.keys(columns).join(', ')}.`;
  refuse('destination.merge_keys', unknown, 'is no column of schema.columns', remedy);
}

/** Names in the file and in the table. */
function namesOf(sources: readonly string[]): ReadonlySet<string> {
  const taken = new Set<string>();
  for (const source of sources) taken.add(columnName(source, taken));
  return new Set([...sources, ...taken]);
}
