import type { TEXT_ENCODERS } from './copy/text-values';

/** The PostgreSQL types a column can be loaded into, as `format_type(oid, NULL)` names them. */
export type ColumnType = keyof typeof TEXT_ENCODERS | 'time without time zone' | 'bytea';

/** One column of a file and where it goes. */
export interface LoadColumn {
  /** Its name in the file. */
  source: string;
  /** Its name in the table. */
  name: string;
  type: ColumnType;
  /** PostgreSQL's type modifier (`atttypmod`), where the column has one: the length of `varchar(n)`, precision and scale of `numeric`. */
  modifier?: number;
}

/** Every row carries the key of its ledger row in this column. */
export const LOAD_ID = '_load_id';

/** The most columns a file may bring: PostgreSQL's 1,600 without `_load_id`. */
export const MAX_COLUMNS = 1599;
