import { type ColumnType, type InferredColumn, type LoadColumn, widened } from '@sluice/connectors';
import type { ColumnRecord } from '@sluice/ingestion';
import type { Drift } from '../faults';

/** A column known so far: what is loaded, and whether a file may change its type. */
export interface KnownColumn extends LoadColumn {
  locked: boolean;
  /** What of `schema` decided its type; without it the files did. */
  asked?: ColumnRecord['asked'];
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

/** How readers name a nested field: `address.zip` of the column `address`, `items[].sku` of `items`. */
export function fieldName(column: string, path: string): string {
  return path.startsWith('[') ? `${column}${path}` : `${column}.${path}`;
}

/** The path within the column; `null`: it is no field of this column. */
function pathWithin(column: string, name: string): string | null {
  const rest = name.startsWith(column) ? name.slice(column.length) : '';
  if (rest.startsWith('[]')) return rest;
  return rest.startsWith('.') ? rest.slice(1) : null;
}

/** The paths of nested fields, of those a file brings, that a watched column does not know. */
export function newFields(column: LoadColumn, names: readonly string[]): string[] {
  const { fields, source } = column;
  if (fields === undefined) return [];
  return names.flatMap((name) => pathWithin(source, name) ?? []).filter((path) => !fields.includes(path));
}

/** Whether this is the column or, of a column of JSON, a field that may be in it. */
export function isKnownAs(column: LoadColumn, name: string): boolean {
  if (column.source === name) return true;
  return pathWithin(column.source, name) !== null && newFields(column, [name]).length === 0;
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
