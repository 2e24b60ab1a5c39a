import type { ColumnType } from '../column';

/** Types that hold all values of the types before them in the same row. */
const LADDERS: readonly (readonly ColumnType[])[] = [
  ['smallint', 'integer', 'bigint', 'numeric'],
  ['real', 'double precision'],
  ['date', 'timestamp without time zone'],
];

/**
 * The narrowest type that holds every value of both without changing one: smallint -> integer -> bigint -> numeric, real -> double precision,
 * date -> timestamp, any number with another -> numeric, nested values with others -> jsonb only when both are JSON; else text.
 */
export function widened(a: ColumnType, b: ColumnType): ColumnType {
  if (a === b) return a;
  const ladder = LADDERS.find((types) => types.includes(a) && types.includes(b));
  if (ladder !== undefined) return ladder[Math.max(ladder.indexOf(a), ladder.indexOf(b))] as ColumnType;
  if (isNumber(a) && isNumber(b)) return 'numeric';
  if (isJson(a) && isJson(b)) return 'jsonb';
  return 'text';
}

/** Whether a column of type `from` may become one of `to` without any value of it changing. */
export function widens(from: ColumnType, to: ColumnType): boolean {
  return from !== to && widened(from, to) === to;
}

function isNumber(type: ColumnType): boolean {
  return ['smallint', 'integer', 'bigint', 'real', 'double precision', 'numeric'].includes(type);
}

function isJson(type: ColumnType): boolean {
  return type === 'json' || type === 'jsonb';
}
