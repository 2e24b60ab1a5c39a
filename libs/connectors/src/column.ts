import type { TEXT_ENCODERS } from './copy/text-values';

/** The PostgreSQL types a column can be loaded into, as `format_type(oid, NULL)` names them. */
export type ColumnType = keyof typeof TEXT_ENCODERS | 'bytea';

/** One column of a file and where it goes. */
export interface LoadColumn {
  /** Its name in the file. */
  source: string;
  /** Its name in the table. */
  name: string;
  /** What is written: the type of the table's column, or of what it stands for (a domain's base type, text for an enum). */
  type: ColumnType;
  /** PostgreSQL's type modifier (`atttypmod`), where the column has one: the length of `varchar(n)`, precision and scale of `numeric`. */
  modifier?: number;
  /** The type of the table's column where nothing writes its binary form: the value is sent as `text` and the server casts it. */
  cast?: string;
  /** A row without a value here is a bad row: the column is a merge key. */
  required?: boolean;
  /** The nested fields known of a column of JSON, as dotted paths (`address.zip`, `items[].sku`). Absent: anything may be in it. */
  fields?: readonly string[];
}

/** Every row carries the key of its ledger row in this column. */
export const LOAD_ID = '_load_id';

/** Under the policy `rescue`: what had no column or did not fit its column, as one JSON object by source name; NULL when nothing. */
export const RESCUED = '_rescued';

/** Only in staging tables: the number of the row within its file, from 1, so that the last of several rows with one key wins. */
export const ROW_NUMBER = '_row';

/** The most columns a file may bring: PostgreSQL's 1,600 without `_load_id` and `_rescued`. */
export const MAX_COLUMNS = 1598;
