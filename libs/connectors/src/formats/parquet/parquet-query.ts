import { literal, quoted } from '../../duckdb';
import type { ReadPlan } from '../format-reader';
import { asJson, type Pair, type ParquetColumn, unfitWhen, unstorableWhen, valueOf } from './parquet-columns';

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
 * What there is to tell of bad rows (their numbers, ascending): number, the row as JSON, which of the pairs is bad (`null`: the query finds none),
 * and each pair's value as text.
 */
export function badRowsQuery(wanted: Wanted, records: readonly number[]): string {
  const { found, pairs, table } = wanted;
  const [first, last] = [records[0] ?? 1, records.at(-1) ?? 1];
  // Names that no column has, for a column would come before them.
  const longest = Math.max(0, ...found.map(({ name }) => name.length));
  const [row, number] = ['r'.repeat(longest + 1), 'n'.repeat(longest + 1)];
  const cases = badWhen(wanted).map(({ when, pair }) => `WHEN ${when} THEN ${pairs.indexOf(pair)}`);
  const texts = pairs.map(({ source }) => `left(${quoted(source.name)}::VARCHAR, ${MAX_SHOWN})`);
  const told = [
    number,
    `left(to_json(${row})::VARCHAR, ${MAX_RAW})`,
    cases.length === 0 ? 'NULL' : `CASE ${cases.join(' ')} END`,
    ...texts,
  ];
  const some = `SELECT * FROM ${table} LIMIT ${last - first + 1} OFFSET ${first - 1}`;
  const numbered = `SELECT row_number() OVER () + ${first - 1} AS ${number}, ${row}, * FROM (${some}) AS ${row}`;
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
function badWhen({ pairs, plan }: Wanted): { pair: Pair; when: string }[] {
  return pairs.flatMap((pair) => {
    const empty = pair.target.required === true ? `${quoted(pair.source.name)} IS NULL` : null;
    const unfit = isRescued(pair, plan) ? unrescuable(pair) : unfitWhen(pair);
    const tests = [empty, unfit].filter((test) => test !== null);
    return tests.length === 0 ? [] : [{ pair, when: `(${tests.join(' OR ')})` }];
  });
}

function unrescuable(pair: Pair): string | null {
  const [unfit, unstorable] = [unfitWhen(pair), unstorableWhen(pair.source)];
  return unfit === null || unstorable === null ? null : `(${unfit} AND ${unstorable})`;
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
    return `CASE WHEN ${when} THEN ${key} || ${asJson(source)} END`;
  });
  return all.length === 0 ? 'NULL::VARCHAR' : `nullif(concat_ws(',', ${members.join(', ')}), '')`;
}
