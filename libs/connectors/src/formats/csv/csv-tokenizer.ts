import { BadFile } from '../../errors';
import type { CopyWriter } from '../../copy/copy-writer';
import type { TextEncoder } from '../../copy/text-values';
import type { CsvDialect } from '../format-reader';

const LF = 10;
const CR = 13;
const LONGEST_SHOWN = 60;

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
  records = 0;
  /** Fields of the record last read. */
  width = 0;
  private readonly delimiter: number;
  private readonly quote: number;
  private readonly escape: number;

  /**
   * @param fields what to do with each field
   * @param strict every record has exactly these fields; else it may have fewer
   * @param tuple fields of a COPY tuple: those with an encoder, plus one for `suffix`
   * @param suffix eight bytes for the last column of each row
   */
  constructor(
    dialect: Pick<CsvDialect, 'delimiter' | 'quote' | 'escape'>,
    private readonly fields: readonly CsvField[],
    private readonly strict: boolean,
    private readonly out: CopyWriter,
    private readonly suffix: Uint8Array,
    private readonly tuple = fields.filter((field) => field.encode !== null).length + 1,
  ) {
    this.delimiter = byteOf(dialect.delimiter);
    this.quote = dialect.quote === '' ? -1 : byteOf(dialect.quote);
    this.escape = dialect.escape === '' ? this.quote : byteOf(dialect.escape);
  }

  /**
   * Takes whole records from `bytes`, at most `most` of them, and returns how many bytes they were. With `last` the end of the bytes ends
   * the last record. One long function on purpose: it runs once per byte, and calls in here cost a third of the speed of a load.
   */
  consume(bytes: Uint8Array, last: boolean, from = 0, most = Infinity): number {
    const { delimiter, quote, escape, out, fields } = this;
    const end = bytes.length;
    const enough = this.records + most;
    let at = from;
    while (at < end && this.records < enough) {
      const recordStart = at;
      let newlines = 0;
      let index = 0;
      let blank = true;
      out.beginRow(this.tuple);
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
        if (field === undefined) throw this.tooMany();
        if (start !== stop || quoted) blank = false;
        if (field.encode !== null) {
          if (start === stop && !(quoted && field.emptyIsText)) out.nothing();
          else if (escaped) this.encodeEscaped(field, bytes, start, stop);
          else if (!field.encode(out, bytes, start, stop)) throw this.unfit(field, bytes, start, stop);
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
        throw this.afterQuote(field);
      }
      const recordLine = this.line;
      this.line += newlines + 1;
      if (blank && index === 1 && fields.length > 1) {
        out.dropRow();
        continue;
      }
      if (this.strict && index !== fields.length) throw this.tooFew(index, recordLine);
      this.width = index;
      this.recordLine = recordLine;
      this.records++;
      out.raw(this.suffix, 0, this.suffix.length);
      out.endRow();
    }
    return Math.min(at, end);
  }

  private encodeEscaped(field: CsvField, bytes: Uint8Array, start: number, stop: number): void {
    const plain = new Uint8Array(stop - start);
    let length = 0;
    for (let i = start; i < stop; i++) {
      if (bytes[i] === this.escape && i + 1 < stop && this.isEscapable(bytes[i + 1])) i++;
      plain[length++] = bytes[i] as number;
    }
    if (field.encode?.(this.out, plain, 0, length) === false) throw this.unfit(field, plain, 0, length);
  }

  private isEscapable(byte: number | undefined): boolean {
    return byte === this.quote || byte === this.escape;
  }

  private unfinished(recordStart: number, last: boolean, index: number): number {
    if (last) {
      const name = this.fields[index]?.name ?? null;
      throw new BadFile('malformed', `Line ${this.line}: a quoted value is never closed. Close the quote.`, {
        line: this.line,
        column: name,
      });
    }
    this.out.dropRow();
    return recordStart;
  }

  private unfit(field: CsvField, bytes: Uint8Array, start: number, stop: number): BadFile {
    const shown = Buffer.from(bytes.subarray(start, Math.min(stop, start + LONGEST_SHOWN))).toString();
    const message = `Line ${this.line}, column ${field.name}: "${shown}" cannot be stored as ${field.type} without changing it. Correct the value.`;
    return new BadFile('type_mismatch', message, { line: this.line, column: field.name });
  }

  private tooMany(): BadFile {
    const count = this.fields.length;
    if (!this.strict)
      return new BadFile(
        'limit',
        `Line ${this.line} has more than ${count} columns, which no table can hold. Split the file.`,
        {
          line: this.line,
        },
      );
    return new BadFile(
      'malformed',
      `Line ${this.line} has more than the ${count} values expected. Quote values that hold the delimiter.`,
      { line: this.line },
    );
  }

  private tooFew(found: number, line: number): BadFile {
    return new BadFile(
      'malformed',
      `Line ${line} has ${found} values where ${this.fields.length} are expected. Complete the line.`,
      { line },
    );
  }

  private afterQuote(field: CsvField): BadFile {
    const message = `Line ${this.line}, column ${field.name}: text follows a closing quote. Double the quotes inside the value.`;
    return new BadFile('malformed', message, { line: this.line, column: field.name });
  }
}

/** The reader works on bytes: these characters must be single ones of UTF-8. */
function byteOf(character: string): number {
  const code = character.charCodeAt(0);
  if (character.length === 1 && code < 0x80) return code;
  throw new BadFile(
    'malformed',
    `${JSON.stringify(character)} cannot be a delimiter, quote or escape. Choose an ASCII character in format.options.`,
  );
}
