import { DestinationError, type LoadColumn } from '@sluice/connectors';

/** The columns that tell rows apart, by their source or column names; the names in the table. Raises where one is not there. */
export function keyNames(keys: readonly string[], columns: readonly LoadColumn[]): string[] {
  return keys.map((key) => {
    const found = columns.find(({ source }) => source === key) ?? columns.find(({ name }) => name === key);
    if (found !== undefined && !['json', 'jsonb'].includes(found.type)) return found.name;
    const known = columns.map(({ source }) => source).join(', ');
    const problem = found === undefined ? 'is no column of the files' : 'holds JSON, which does not tell rows apart';
    throw new DestinationError(
      'schema_mismatch',
      `The merge key ${key} ${problem}. Known columns: ${known}. Correct destination.merge_keys or the files.`,
      'never',
    );
  });
}

/** The same columns; a row without a value in a key is a bad one. */
export function withKeys(columns: readonly LoadColumn[], keys: readonly string[]): LoadColumn[] {
  return columns.map((column) => (keys.includes(column.name) ? { ...column, required: true } : column));
}
