import { CopyWriter } from '../../copy/copy-writer';
import { BadRows } from '../bad-rows';
import { isStorable, unstorable } from '../bytes';
import type { CsvDialect } from '../format-reader';
import type { TextLimits } from '../text-pass';
import { signsOf } from './csv-signs';
import type { CsvField } from './csv-field';
import { CsvTokenizer, type RowEnd } from './csv-tokenizer';

const LF = 10;
const CR = 13;
const NO_TAIL: RowEnd = { write: () => undefined, clear: () => undefined };

/** Where the rows begin and what the fields are called. */
export interface CsvStart {
  /** Bytes before the first row. */
  offset: number;
  /** The line the first row begins on. */
  line: number;
  names: string[];
}

/**
 * Reads the beginning of a file: skipped lines, header. Without a header the fields are called `column1`, `column2`, ...
 * `null`: more bytes are needed (never with `last`). A file without any record gives no names. Raises `BadFile`.
 */
export function readStart(bytes: Buffer, dialect: CsvDialect, last: boolean, limits: TextLimits): CsvStart | null {
  const top = afterSkipped(bytes, dialect.skip, last);
  if (top === null) return last ? { offset: bytes.length, line: 1, names: [] } : null;
  const values: string[] = [];
  const tokenizer = headerTokenizer(dialect, values, limits);
  tokenizer.line = dialect.skip + 1;
  const end = tokenizer.consume(bytes, last, false, top, 1);
  if (tokenizer.records === 0) return last ? { offset: bytes.length, line: tokenizer.line, names: [] } : null;
  if (!isStorable(bytes.subarray(top, end))) throw unstorable(bytes.subarray(top, end), dialect.skip + 1);
  const names = dialect.header ? headerNames(values, tokenizer.width) : positionNames(tokenizer.width);
  return dialect.header ? { offset: end, line: tokenizer.line, names } : { offset: top, line: dialect.skip + 1, names };
}

/** Behind so many lines, or `null` when they are not all there. A CR at the end of the bytes may be half of a line end. */
export function afterSkipped(bytes: Buffer, lines: number, last: boolean): number | null {
  let at = 0;
  for (let i = 0; i < lines; i++) {
    while (at < bytes.length && bytes[at] !== LF && bytes[at] !== CR) at++;
    if (at >= bytes.length || (bytes[at] === CR && at + 1 === bytes.length && !last)) return null;
    at += bytes[at] === CR && bytes[at + 1] === LF ? 2 : 1;
  }
  return at;
}

function headerTokenizer(dialect: CsvDialect, values: string[], { columns, recordBytes }: TextLimits): CsvTokenizer {
  return new CsvTokenizer({
    signs: signsOf(dialect),
    fields: collectors(values, columns),
    exact: false,
    nulls: null,
    out: new CopyWriter(),
    tuple: 0,
    recordBytes,
    tail: NO_TAIL,
    bad: new BadRows('fail', () => undefined),
  });
}

/** Made once, one for each place: a small file would cost more to prepare than to read. Whoever reads a header does so in one go. */
const PLACES: CsvField[] = [];
let collected: string[] = [];

function collectors(into: string[], count: number): CsvField[] {
  collected = into;
  while (PLACES.length < count) PLACES.push(collector(PLACES.length));
  return PLACES.length === count ? PLACES : PLACES.slice(0, count);
}

function collector(index: number): CsvField {
  return {
    name: `column${index + 1}`,
    encode: (_out, text, start, end) => {
      collected[index] = Buffer.from(text.subarray(start, end)).toString();
      return true;
    },
    type: 'text',
    emptyIsText: false,
    whenNull: 'pass',
    rescue: null,
  };
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
