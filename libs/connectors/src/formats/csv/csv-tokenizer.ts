import type { CopyWriter } from '../../copy/copy-writer';
import type { TextEncoder } from '../../copy/text-values';
import { asError, asFault, type BadRows, type RowFault } from '../bad-rows';
import { isStorable, unstorable } from '../bytes';
import { tooLong } from '../text-pass';
import {
  missingKey,
  neverClosed,
  textAfterQuote,
  tooFewValues,
  tooManyColumns,
  tooManyValues,
  unfitValue,
} from './csv-faults';
import { recordEnd } from './csv-record-end';
import type { CsvSigns, NullWords } from './csv-signs';

const LF = 10;
const CR = 13;
const UNFINISHED = -1;
const PLAIN_BYTES = 4096;

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

/** What follows the values of a row, and hears of those that are left out. */
export interface RowEnd {
  write(out: CopyWriter, record: number): void;
  clear(): void;
}

export interface CsvTokenizerOptions {
  signs: CsvSigns;
  fields: readonly CsvField[];
  /** Every record has exactly these fields; else it may have fewer, and more than these are more than anything can hold. */
  exact: boolean;
  /** `null`: only the empty value is NULL. */
  nulls: NullWords | null;
  out: CopyWriter;
  /** Fields of a COPY tuple. */
  tuple: number;
  /** Bytes of one record, at most. */
  recordBytes: number;
  tail: RowEnd;
  bad: BadRows;
}

/**
 * Splits CSV (RFC 4180 with any delimiter, quote and escape) into fields and writes each straight into the COPY buffer: no row ever
 * becomes a JavaScript value. Records end with LF, CRLF or CR; lines without any value are passed over.
 */
export class CsvTokenizer {
  /** The line the next record begins on. */
  line = 1;
  /** The line the record last read begins on. */
  recordLine = 1;
  /** Records met, the bad ones among them. */
  records = 0;
  /** Fields of the record last read. */
  width = 0;

  /** Values of this record without their escapes. */
  private plain = new Uint8Array(0);
  private plainFrom = 0;
  private plainTo = 0;

  constructor(private readonly options: CsvTokenizerOptions) {}

  /** Rows written. */
  get rows(): number {
    return this.options.out.rows;
  }

  /**
   * Takes whole records from `bytes` until `rows` have been written, and returns how many bytes they were. With `last` the end of the bytes
   * ends the last record. `doubtful`: something in the bytes is not storable (see `isAllStorable`). One long function on purpose: it runs
   * once per byte, and calls in here cost a third of the speed of a load.
   */
  consume(bytes: Buffer, last: boolean, doubtful: boolean, from = 0, rows = Infinity): number {
    const { fields, exact, nulls, out, tuple, tail, bad, recordBytes } = this.options;
    const { delimiter, quote, escape } = this.options.signs;
    const asked = bad.anyRefused;
    const end = bytes.length;
    let at = from;
    while (at < end && out.rows < rows) {
      const recordStart = at;
      let newlines = 0;
      let index = 0;
      let blank = true;
      let fault: RowFault | null = null;
      this.plainTo = 0;
      out.beginRow(tuple);
      for (;;) {
        let byte = -1;
        let start = at;
        let stop: number;
        let escaped = false;
        const quoted = at < end && bytes[at] === quote;
        if (quoted) {
          start = ++at;
          for (;;) {
            while (at < end && (byte = bytes[at] as number) !== quote && byte !== escape) {
              if (byte === LF) newlines++;
              at++;
            }
            if (at >= end) return this.unfinished(recordStart, last, index);
            if (byte === escape) {
              const next = bytes[at + 1];
              if (next === quote || (next === escape && escape !== quote)) {
                escaped = true;
                at += 2;
                continue;
              }
              // An escape that escapes nothing stands for itself, as in PostgreSQL.
              if (escape !== quote) {
                at++;
                continue;
              }
            }
            break;
          }
          stop = at++;
          if (at >= end && !last) return this.unfinished(recordStart, last, index);
          byte = at < end ? (bytes[at] as number) : LF;
        } else {
          while (at < end && (byte = bytes[at] as number) !== delimiter && byte !== LF && byte !== CR) at++;
          if (at >= end) {
            if (!last) return this.unfinished(recordStart, last, index);
            byte = LF;
          }
          stop = at;
        }
        const field = fields[index];
        if (field === undefined) {
          fault = this.tooMany();
          break;
        }
        if (start !== stop || quoted) blank = false;
        const { encode } = field;
        if (encode !== null) {
          if (
            start === stop ? !(quoted && field.emptyIsText) : nulls !== null && !quoted && nulls.has(bytes, start, stop)
          ) {
            if (field.whenNull === 'write') out.nothing();
            else if (field.whenNull === 'refuse') fault ??= missingKey(field, this.line);
          } else if (escaped) {
            const to = this.unescape(bytes, start, stop);
            const { plain, plainFrom } = this;
            if (!encode(out, plain, plainFrom, to)) fault ??= this.unfit(field, plain, plainFrom, to);
          } else if (!encode(out, bytes, start, stop)) fault ??= this.unfit(field, bytes, start, stop);
          // What looks like a row without a key may still turn out to be a blank line.
          if (fault !== null && !blank) break;
        }
        index++;
        if (byte === delimiter) {
          at++;
          continue;
        }
        if (byte === CR) {
          if (at + 1 >= end && !last) return this.unfinished(recordStart, last, index);
          at += bytes[at + 1] === LF ? 2 : 1;
          break;
        }
        if (byte === LF) {
          at++;
          break;
        }
        fault = textAfterQuote(field, this.line);
        break;
      }
      if (blank && index === 1 && fields.length > 1) {
        this.line += newlines + 1;
        out.dropRow();
        continue;
      }
      if (exact && index !== fields.length) fault ??= tooFewValues(this.line, index, fields.length);
      if (doubtful) fault ??= this.unstorable(bytes.subarray(recordStart, at));
      if (asked) fault ??= bad.refusal(this.records + 1, this.line);
      if (fault !== null) {
        at = this.leave(fault, bytes, recordStart, last);
        if (at === UNFINISHED) return recordStart;
        continue;
      }
      if (at - recordStart > recordBytes) throw tooLong(this.line, recordBytes);
      this.width = index;
      this.recordLine = this.line;
      this.line += newlines + 1;
      tail.write(out, ++this.records);
      out.endRow();
    }
    return Math.min(at, end);
  }

  /** Passes the rest of a bad record; returns where the next one begins, or `UNFINISHED` while its own end is not there. */
  private leave(fault: RowFault, bytes: Buffer, start: number, last: boolean): number {
    const { bad, signs } = this.options;
    this.drop();
    if (!bad.skips(fault)) throw asError(fault);
    const found = recordEnd(bytes, start, signs, last);
    if (found === 'cut' || (found === 'quoted' && !last)) return UNFINISHED;
    if (found === 'quoted') throw neverClosed(undefined, this.line);
    bad.leave(fault, { record: ++this.records, line: this.line, bytes, start, end: found.end });
    this.line += found.lines;
    return found.next;
  }

  private drop(): void {
    this.options.out.dropRow();
    this.options.tail.clear();
  }

  /**
   * Writes a value without its escapes behind `plainFrom` of `plain` and returns where it ends there. The values of one record lie beside
   * each other: whoever gets them may keep them until its end.
   */
  private unescape(bytes: Uint8Array, start: number, stop: number): number {
    const { quote, escape } = this.options.signs;
    this.plainFrom = this.plainTo;
    if (this.plainFrom + stop - start > this.plain.length) this.morePlain(stop - start);
    const { plain } = this;
    let to = this.plainFrom;
    for (let i = start; i < stop; i++) {
      if (bytes[i] === escape && i + 1 < stop && (bytes[i + 1] === quote || bytes[i + 1] === escape)) i++;
      plain[to++] = bytes[i] as number;
    }
    return (this.plainTo = to);
  }

  private morePlain(wanted: number): void {
    this.plain = new Uint8Array(Math.max(wanted * 2, PLAIN_BYTES));
    this.plainFrom = 0;
  }

  private unfinished(recordStart: number, last: boolean, index: number): number {
    if (last) throw neverClosed(this.options.fields[index], this.line);
    this.drop();
    return recordStart;
  }

  /** `null`: the value is put aside, and NULL is written for it. */
  private unfit(field: CsvField, bytes: Uint8Array, start: number, stop: number): RowFault | null {
    if (field.rescue === null) return unfitValue(field, this.line, bytes, start, stop);
    field.rescue(bytes, start, stop);
    this.options.out.nothing();
    return null;
  }

  private tooMany(): RowFault {
    const { fields, exact } = this.options;
    if (!exact) throw tooManyColumns(this.line, fields.length);
    return tooManyValues(this.line, fields.length);
  }

  private unstorable(record: Buffer): RowFault | null {
    return isStorable(record) ? null : asFault(unstorable(record, this.line));
  }
}
