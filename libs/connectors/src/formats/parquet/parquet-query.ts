import { literal, quoted } from '../../duckdb';
import type { LoadColumn } from '../../column';
import type { ReadPlan } from '../format-reader';
import type { Pair, ParquetColumn } from './parquet-column';
import { rescuedJson, shownText, unfitWhen, unstorableWhen, valueOf } from './parquet-columns';

/** What of a file is asked for. */
export interface Wanted {
  table: string;
  /** All columns of the file. */
  found: readonly ParquetColumn[];
  /** Those that are loaded. */
  pairs: readonly Pair[];
  plan: Pick<ReadPlan, 'unknown' | 'unfit'>;
}

/** Rows as they are encoded: the values of the pairs, the members of `_rescued` (NULL: none), and whether the row is a bad one. */
export function rowsQuery(wanted: Wanted): string {
  const { pairs, plan, table } = wanted;
  const values = pairs.map((pair) => (isRescued(pair, plan) ? fittingValue(pair) : valueOf(pair)));
  const bad = badWhen(wanted).map(({ when }) => when);
  return `SELECT ${[...values, rescuedMembers(wanted), `coalesce(${bad.join(' OR ') || 'false'}, false)`].join(', ')} FROM ${table}`;
}

/** Longest raw row that is kept, in characters here and in bytes where it is cut at last. */
export const MAX_RAW = 64 * 1024;
/** Longest part of a value that is shown. */
const MAX_SHOWN = 60;

/**
 * What there is to tell of bad rows (their numbers, ascending): number, the row as JSON, which of the columns found is bad (`null`: the query
 * sees none), and the value of each as text.
 */
export function badRowsQuery(wanted: Wanted, records: readonly number[]): string {
  const { found, table } = wanted;
  const [first, last] = [records[0] ?? 1, records.at(-1) ?? 1];
  // A name that no column has.
  const number = 'n'.repeat(Math.max(0, ...found.map(({ name }) => name.length)) + 1);
  const cases = badWhen(wanted).map(({ when, source }) => `WHEN ${when} THEN ${found.indexOf(source)}`);
  const members = found.map(({ source, name }) => `${literal(source)}, ${quoted(name)}`);
  const told = [
    number,
    `left(json_object(${members.join(', ')})::VARCHAR, ${MAX_RAW})`,
    cases.length === 0 ? 'NULL' : `CASE ${cases.join(' ')} END`,
    ...found.map((column) => shownText(column, MAX_SHOWN)),
  ];
  const some = `SELECT * FROM ${table} LIMIT ${last - first + 1} OFFSET ${first - 1}`;
  const numbered = `SELECT row_number() OVER () + ${first - 1} AS ${number}, * FROM (${some})`;
  return `SELECT ${told.join(', ')} FROM (${numbered}) WHERE ${number} IN (${records.join(', ')}) ORDER BY 1`;
}

function isRescued({ target }: Pair, plan: Wanted['plan']): boolean {
  return plan.unfit === 'rescue' && target.required !== true;
}

function fittingValue(pair: Pair): string {
  const unfit = unfitWhen(pair);
  return unfit === null ? valueOf(pair) : `CASE WHEN ${unfit} THEN NULL ELSE ${valueOf(pair)} END`;
}

/** Per column, when it makes its row a bad one. */
function badWhen({ found, pairs, plan }: Wanted): { source: ParquetColumn; when: string }[] {
  const targets = new Map(pairs.map(({ source, target }) => [source, target]));
  return found.flatMap((source) => {
    const target = targets.get(source);
    const tests =
      target === undefined
        ? [lostWhen(source, plan)]
        : [emptyWhen(source, target), misfitWhen({ source, target }, plan)];
    const some = tests.filter((test) => test !== null);
    return some.length === 0 ? [] : [{ source, when: `(${some.join(' OR ')})` }];
  });
}

function emptyWhen({ name }: ParquetColumn, { required }: LoadColumn): string | null {
  return required === true ? `${quoted(name)} IS NULL` : null;
}

function misfitWhen(pair: Pair, plan: Wanted['plan']): string | null {
  const [unfit, unstorable] = [unfitWhen(pair), unstorableWhen(pair.source)];
  if (unfit === null || !isRescued(pair, plan)) return unfit;
  return unstorable === null ? null : `(${unfit} AND ${unstorable})`;
}

/** A column that is not in the plan. */
function lostWhen(source: ParquetColumn, { unknown }: Wanted['plan']): string | null {
  return unknown === 'rescue' ? unstorableWhen(source) : null;
}

/** What has no column or does not fit, as the members of a JSON object; NULL when that is nothing. */
function rescuedMembers({ found, pairs, plan }: Wanted): string {
  const unfit = pairs.flatMap((pair) => {
    const when = isRescued(pair, plan) ? unfitWhen(pair) : null;
    return when === null ? [] : [{ source: pair.source, when }];
  });
  const known = new Set(pairs.map(({ source }) => source));
  const unknown = plan.unknown === 'rescue' ? found.filter((source) => !known.has(source)) : [];
  const all = [...unfit, ...unknown.map((source) => ({ source, when: `${quoted(source.name)} IS NOT NULL` }))];
  const members = all.map(({ source, when }) => {
    const key = literal(`${JSON.stringify(source.source)}:`);
    return `CASE WHEN ${when} THEN ${key} || ${rescuedJson(source)} END`;
  });
  return all.length === 0 ? 'NULL::VARCHAR' : `nullif(concat_ws(',', ${members.join(', ')}), '')`;
}
