import type { DuckDBConnection } from '@duckdb/node-api';
import { typeName } from '../../copy/column-encoder';
import type { RawRecord, RowFault } from '../bad-rows';
import type { BadRow } from './chunk-encoder';
import type { Pair, ParquetColumn } from './parquet-column';
import { badRowsQuery, type Wanted } from './parquet-query';

/** What is wrong with a row that was left out. */
export interface BadRowFacts {
  fault: RowFault;
  raw: RawRecord;
}

/** What is wrong with rows that were left out, asked of the file once more. */
export async function factsOf(
  connection: DuckDBConnection,
  wanted: Wanted,
  rows: readonly BadRow[],
): Promise<BadRowFacts[]> {
  const query = badRowsQuery(
    wanted,
    rows.map(({ record }) => record),
  );
  const told = (await connection.runAndReadAll(query)).getRows();
  return rows.map((row, index) => factsOfOne(row, wanted, told[index] ?? []));
}

function factsOfOne(bad: BadRow, wanted: Wanted, [, json, flagged, ...texts]: readonly unknown[]): BadRowFacts {
  const { record, refusal } = bad;
  const bytes = Buffer.from(String(json));
  const raw = { record, line: null, bytes, start: 0, end: bytes.length };
  // Messages call a row number a line, for that is what it is to who looks for it.
  if (refusal !== null) return { fault: { type: 'destination', line: record, ...refusal }, raw };
  const { found, pairs } = wanted;
  const source = (bad.column === null ? found[Number(flagged)] : pairs[bad.column]?.source) as ParquetColumn;
  const problem = problemOf(texts[found.indexOf(source)], source, pairs);
  const reason = `Row ${record}, column ${source.source}: ${problem}`;
  return { fault: { type: 'type_mismatch', line: record, column: source.source, reason }, raw };
}

function problemOf(value: unknown, source: ParquetColumn, pairs: readonly Pair[]): string {
  if (typeof value !== 'string') return 'it is a merge key and has no value. Fill it in.';
  const target = pairs.find((pair) => pair.source === source)?.target;
  const problem = value.includes('\0')
    ? 'holds a NUL character, which PostgreSQL cannot store'
    : target === undefined
      ? 'cannot be rescued with its nanoseconds'
      : `cannot be stored as ${typeName(target)} without changing it`;
  return `${value.replaceAll('\0', '\u2400')} ${problem}. Correct the value.`;
}
