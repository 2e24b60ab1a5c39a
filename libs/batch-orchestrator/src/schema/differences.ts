import { type ColumnType, type InferredColumn, type LoadColumn, widened } from '@sluice/connectors';
import type { Drift } from '../faults';

/** A column known so far: what is loaded, and whether a file may change its type. */
export interface KnownColumn extends LoadColumn {
  locked: boolean;
}

/** Beyond this many nested fields the names are data and no schema: they are not watched. */
const MAX_FIELDS = 500;

/** The nested fields to watch of a column of JSON; none for others, or when there are too many. */
export function watchedFields({ type, fields }: InferredColumn): { fields?: readonly string[] } {
  return type === 'jsonb' && fields !== undefined && fields.length <= MAX_FIELDS ? { fields } : {};
}

/** The type a column must get so that the values of the file fit too; `null`: it holds them already or its type is locked. */
export function widerType(column: KnownColumn, inferred: InferredColumn): ColumnType | null {
  if (column.locked || column.cast !== undefined) return null;
  const type = widened(column.type, inferred.type);
  return type === column.type ? null : type;
}

/** Nested fields a file brings to known columns: `source.path` as readers report them. */
export function newFields(column: LoadColumn, unknown: readonly string[]): string[] {
  const prefix = `${column.source}.`;
  const paths = unknown.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length));
  return column.fields === undefined ? [] : paths.filter((path) => !column.fields?.includes(path));
}

/** `+ new, - gone, ~ name old -> new`, for a person. */
export function told(drift: Drift, known: readonly KnownColumn[], inferred: readonly InferredColumn[]): string[] {
  const found = new Map(inferred.map((column) => [column.source, column]));
  const added = drift.unknown.map((name) => `+ ${name}${typeAfter(found.get(name))}`);
  const gone = drift.missing.map((name) => `- ${name}`);
  const changed = drift.unfit.map((name) => {
    const before = known.find(({ source }) => source === name);
    const now = found.get(name);
    return `~ ${name} ${before?.type ?? ''} -> ${before && now ? widened(before.type, now.type) : 'another type'}`;
  });
  return [...added, ...gone, ...changed];
}

function typeAfter(column: InferredColumn | undefined): string {
  return column === undefined ? '' : ` ${column.type}`;
}
