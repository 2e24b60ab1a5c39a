import type { InferredColumn } from '../formats/format-reader';
import { columnName } from '../schema/column-names';
import { some } from './listing';
import type { PreviewColumn, SchemaHints } from './preview';

const GIVEN = 'Given by schema.columns.';
const GIVEN_UNSEEN = 'Given by schema.columns; none of the files looked at has it.';
const ALL_TEXT = 'schema.all_text makes every column text.';

/** The columns a table would get: those of the files and those that are given, with names of the table. */
export function previewColumns(inferred: readonly InferredColumn[], hints: SchemaHints): PreviewColumn[] {
  const taken = new Set<string>();
  return chosen(inferred, hints).map((column) => {
    const name = columnName(column.source, taken);
    taken.add(name);
    return { source: column.source, name, type: column.type, why: column.why };
  });
}

type Chosen = Omit<PreviewColumn, 'name'>;

function chosen(inferred: readonly InferredColumn[], hints: SchemaHints): Chosen[] {
  const seen = new Set(inferred.map(({ source }) => source));
  const unseen = Object.entries(hints.columns).filter(([source]) => !seen.has(source));
  const found = inferred
    .filter(({ source }) => hints.mode === 'infer' || Object.hasOwn(hints.columns, source))
    .map((column) => hinted(column, hints));
  return [...found, ...unseen.map(([source, type]) => ({ source, type, why: GIVEN_UNSEEN }))];
}

/** Nested values stay JSON under `all_text`. */
function hinted({ source, type, why }: InferredColumn, hints: SchemaHints): Chosen {
  const given = Object.hasOwn(hints.columns, source) ? hints.columns[source] : undefined;
  if (given !== undefined) return { source, type: given, why: GIVEN };
  if (!hints.all_text || type === 'jsonb' || type === 'json') return { source, type, why };
  return { source, type: 'text', why: ALL_TEXT };
}

/** What a person should know of names and of columns beside the given ones. */
export function columnWarnings(
  inferred: readonly InferredColumn[],
  columns: readonly PreviewColumn[],
  { mode, columns: given }: SchemaHints,
): string[] {
  const renamed = columns.filter(({ source, name }) => source !== name);
  const names = renamed.map(({ source, name }) => `${JSON.stringify(source)} becomes ${name}`);
  const strangers = inferred.map(({ source }) => source).filter((source) => !Object.hasOwn(given, source));
  return [
    ...(names.length > 0 ? [`Names are changed for the table: ${some(names)}.`] : []),
    ...(mode === 'given' && strangers.length > 0
      ? [`The files have columns that schema.columns does not name: ${some(strangers)}.`]
      : []),
  ];
}
