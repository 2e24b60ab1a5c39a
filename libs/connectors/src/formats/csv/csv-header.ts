import { MAX_COLUMNS } from '../../column';
import { CopyWriter } from '../../copy/copy-writer';
import { isStorable, unstorable } from '../bytes';
import type { CsvDialect } from '../format-reader';
import { type CsvField, CsvTokenizer } from './csv-tokenizer';

const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/** Where the rows begin and what the fields are called. */
export interface CsvStart {
  /** Bytes before the first row. */
  offset: number;
  /** The line the first row begins on. */
  line: number;
  names: string[];
}

/**
 * Reads the beginning of a file: byte order mark, skipped lines, header. Without a header the fields are called `column1`, `column2`, ...
 * `null`: more bytes are needed (never with `last`). A file without any record gives no names. Raises `BadFile`.
 */
export function readStart(bytes: Buffer, dialect: CsvDialect, last: boolean): CsvStart | null {
  const top = afterSkipped(bytes, dialect.skip);
  if (top === null) return last ? { offset: bytes.length, line: 1, names: [] } : null;
  const values: string[] = [];
  const tokenizer = new CsvTokenizer(dialect, collectors(values), false, new CopyWriter(), new Uint8Array(0));
  tokenizer.line = dialect.skip + 1;
  const end = tokenizer.consume(bytes, last, top, 1);
  if (tokenizer.records === 0 && !last) return null;
  if (!isStorable(bytes.subarray(0, end))) throw unstorable(bytes.subarray(0, end), 1);
  const names = dialect.header ? headerNames(values, tokenizer.width) : positionNames(tokenizer.width);
  return dialect.header ? { offset: end, line: tokenizer.line, names } : { offset: top, line: dialect.skip + 1, names };
}

function afterSkipped(bytes: Buffer, lines: number): number | null {
  let at = bytes.subarray(0, 3).equals(BYTE_ORDER_MARK) ? 3 : 0;
  for (let i = 0; i < lines; i++) {
    const newline = bytes.indexOf(10, at);
    if (newline === -1) return null;
    at = newline + 1;
  }
  return at;
}

function collectors(into: string[]): CsvField[] {
  return Array.from({ length: MAX_COLUMNS }, (_, index) => ({
    name: `column${index + 1}`,
    type: 'text',
    emptyIsText: false,
    encode: (_out, text, start, end) => {
      into[index] = Buffer.from(text.subarray(start, end)).toString();
      return true;
    },
  }));
}

function positionNames(width: number): string[] {
  return Array.from({ length: width }, (_, index) => `column${index + 1}`);
}

/** Fields without a name are called by their place; a name met again gets a number. */
function headerNames(values: readonly string[], width: number): string[] {
  const taken = new Set<string>();
  return positionNames(width).map((fallback, index) => {
    const wanted = values[index]?.trim() || fallback;
    let name = wanted;
    for (let n = 2; taken.has(name); n++) name = `${wanted}_${n}`;
    taken.add(name);
    return name;
  });
}

export function sameNames(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, index) => name === b[index]);
}
