import { columnName, type ColumnType, MAX_COLUMNS } from '@sluice/connectors';
import type { SchemaInput } from '../inputs';
import type { DestinationSpec, FormatSpec, SchemaSpec } from '../types';
import { columnType } from './column-type';
import { flag, oneOf, onlyKnown, refuse } from './refuse';

const REMEDY = 'Leave it out for false.';
const TEXT_FORMATS: readonly FormatSpec['type'][] = ['csv', 'json', 'ndjson'];

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

/** Where all columns are given, a key must be one of them and tell rows apart. Else the files tell. */
export function assertKeysKnown({ merge_keys }: DestinationSpec, { mode, columns }: SchemaSpec): void {
  if (mode !== 'given') return;
  const sources = sourcesByName(Object.keys(columns));
  for (const key of merge_keys) {
    const source = Object.hasOwn(columns, key) ? key : sources.get(key);
    if (source === undefined) {
      const remedy = `Known there: ${Object.keys(columns).join(', ')}.`;
      refuse('destination.merge_keys', key, 'is no column of schema.columns', remedy);
    }
    if (['json', 'jsonb'].includes(columns[source] as string)) {
      refuse('destination.merge_keys', key, 'holds JSON, which does not tell rows apart', 'Choose another column.');
    }
  }
}

/** Which column of the files has which name in the table. */
function sourcesByName(sources: readonly string[]): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const source of sources) found.set(columnName(source, new Set(found.keys())), source);
  return found;
}

/** Text formats have no bytes: no value of theirs could be loaded into such a column. */
export function assertTypesReadable({ type }: FormatSpec, { columns }: SchemaSpec): void {
  if (!TEXT_FORMATS.includes(type)) return;
  const bytes = Object.keys(columns).find((source) => columns[source] === 'bytea');
  if (bytes === undefined) return;
  const remedy = 'Write text; only Parquet and Avro hold bytes.';
  refuse(`schema.columns.${bytes}`, 'bytea', `does not go with format.type "${type}"`, remedy);
}
