import type { DeclaredColumn, Match } from '../declared-columns';
import type { DuckDbType } from './duckdb-types';

/** A column of a Parquet file. */
export interface ParquetColumn extends DeclaredColumn {
  /** What DuckDB calls it, which tells `a` from `A`. */
  name: string;
  /** DuckDB's type, e.g. `DECIMAL(10,2)` or `STRUCT(a INTEGER)`. */
  type: string;
  parsed: DuckDbType;
  /** As the file declares it, e.g. `INT64 (TIMESTAMP_MICROS)`. */
  declared: string;
  /** Why the reader cannot give its values unchanged; `null`: it can. */
  unreadable: string | null;
  /** How its nanoseconds, which DuckDB cuts off, are kept in the file; `null`: nothing is cut off. */
  cut: 'int96' | 'utc' | null;
  /** The column with what was cut off, in nanoseconds, where somebody has looked. */
  rest: string | null;
}

export type Pair = Match<ParquetColumn>;
