import type { CsvSigns } from './csv-signs';

const LF = 10;
const CR = 13;

export interface RecordEnd {
  /** Behind the record's last value. */
  end: number;
  /** Where the next record begins. */
  next: number;
  /** Line ends passed. */
  lines: number;
}

/** Why a record has no end: it goes on behind the bytes given, perhaps within quotes. */
export type NoEnd = 'cut' | 'quoted';

/**
 * Where a bad record ends, however many values it has. Text behind a closing quote ends the trust in its quotes: it reaches to the next
 * line end then. With `last`, the end of the bytes ends it, but for an open quote: what is part of the value and what a row of its own
 * cannot be told.
 */
export function recordEnd(bytes: Uint8Array, start: number, signs: CsvSigns, last: boolean): RecordEnd | NoEnd {
  let at = start;
  let lines = 0;
  for (;;) {
    if (bytes[at] === signs.quote) {
      const closed = closingQuote(bytes, at + 1, signs);
      if (closed === -1) return 'quoted';
      for (let i = at; i < closed; i++) if (bytes[i] === LF) lines++;
      at = closed + 1;
      if (at < bytes.length && !isStop(bytes[at], signs)) at = lineEnd(bytes, at);
    } else while (at < bytes.length && !isStop(bytes[at], signs)) at++;
    if (at >= bytes.length) return last ? { end: at, next: at, lines: lines + 1 } : 'cut';
    if (bytes[at] === signs.delimiter) at++;
    else break;
  }
  if (bytes[at] === CR && at + 1 >= bytes.length && !last) return 'cut';
  return { end: at, next: bytes[at] === CR && bytes[at + 1] === LF ? at + 2 : at + 1, lines: lines + 1 };
}

/** The quote that closes the value which begins at `at`, or -1. */
function closingQuote(bytes: Uint8Array, at: number, { quote, escape }: CsvSigns): number {
  for (; at < bytes.length; at++) {
    const byte = bytes[at];
    const next = bytes[at + 1];
    if (byte === escape && (next === quote || (next === escape && escape !== quote))) at++;
    else if (byte === quote) return at;
  }
  return -1;
}

function isStop(byte: number | undefined, { delimiter }: CsvSigns): boolean {
  return byte === delimiter || byte === LF || byte === CR;
}

function lineEnd(bytes: Uint8Array, at: number): number {
  while (at < bytes.length && bytes[at] !== LF && bytes[at] !== CR) at++;
  return at;
}
