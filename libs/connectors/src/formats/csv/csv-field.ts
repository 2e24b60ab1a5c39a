import type { TextEncoder } from '../../copy/text-values';

/** What to do with the values of one field. */
export interface CsvField {
  /** Its name in the file. */
  name: string;
  /** `null`: the field is passed over. */
  encode: TextEncoder | null;
  /** Says what the values should be, for messages. */
  type: string;
  /** Only for text is a quoted empty value (`""`) an empty text; for all else, and unquoted, it is NULL, as in PostgreSQL's own CSV. */
  emptyIsText: boolean;
  /** What becomes of NULL: it is written, the row is bad, or nothing (the field writes no column). */
  whenNull: 'write' | 'refuse' | 'pass';
  /** Takes a value the encoder refused, and NULL is written. `null`: the row is bad. */
  rescue: ((text: Uint8Array, start: number, end: number) => void) | null;
}
