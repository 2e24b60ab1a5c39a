import type { InferredColumn } from '../formats/format-reader';
import { columnName } from '../schema/column-names';
import { some } from './listing';
import type { PreviewColumn, SchemaHints } from './preview';

const GIVEN = 'Given by schema.columns.';
const ALL_TEXT = 'schema.all_text is set.';

/** The columns a table would get, with their names in it. */
export function previewColumns(inferred: readonly InferredColumn[], hints: SchemaHints): PreviewColumn[] {
  const taken = new Set<string>();
  return chosen(inferred, hints).map(({ source, type, why }) => {
    const name = columnName(source, taken);
    taken.add(name);
    return { source, name, type, why };
  });
}

function chosen(inferred: readonly InferredColumn[], hints: SchemaHints): Omit<PreviewColumn, 'name'>[] {
  if (hints.mode === 'infer') return inferred.map((column) => hinted(column, hints));
  return Object.entries(hints.columns).map(([source, type]) => ({ source, type, why: GIVEN }));
}

/** Nested values stay JSON under `all_text`. */
function hinted(column: InferredColumn, { columns, all_text }: SchemaHints): InferredColumn {
  const { source, type } = column;
  const given = Object.hasOwn(columns, source) ? columns[source] : undefined;
  if (given !== undefined) return { source, type: given, why: GIVEN };
  return all_text && type !== 'jsonb' ? { source, type: 'text', why: ALL_TEXT } : column;
}

/** What a person should know of names and of columns beside the given ones. */
export function columnWarnings(
  inferred: readonly InferredColumn[],
  columns: readonly PreviewColumn[],
  { mode, columns: given }: SchemaHints,
): string[] {
  const renamed = columns.filter(({ source, name }) => source !== name);
  const names = renamed.map(({ source, name }) => `${JSON.stringify(source)} becomes ${name}`);
  const seen = new Set(inferred.map(({ source }) => source));
  const unseen = Object.keys(given).filter((source) => !seen.has(source));
  const strangers = inferred.map(({ source }) => source).filter((source) => !Object.hasOwn(given, source));
  return [
    ...(names.length > 0 ? [`Names are changed for the table: ${some(names)}.`] : []),
    ...(mode === 'given' && strangers.length > 0
      ? [`The files have columns that schema.columns does not name: ${some(strangers)}.`]
      : []),
    ...(inferred.length > 0 && unseen.length > 0
      ? [`schema.columns names columns that none of the files looked at has: ${some(unseen)}.`]
      : []),
  ];
}
