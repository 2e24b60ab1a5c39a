import { BadFile } from '../../errors';
import type { RowFault } from '../bad-rows';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const LF = 10;
/** The bytes end inside a value; nothing is wrong yet. */
export const UNFINISHED = -1;

const LITERALS: Record<number, Buffer> = {
  0x74: Buffer.from('true'),
  0x66: Buffer.from('false'),
  0x6e: Buffer.from('null'),
};

/** Walks over JSON (RFC 8259, strictly) in bytes and never builds a value. Counts the lines it passes. */
export class JsonScanner {
  /** The line of the place last reached; strings cannot hold line ends, so only blanks are counted. */
  line = 1;
  /** Whether the string last passed holds an escape. */
  escaped = false;
  /** True: the bytes given are all there are. */
  last = false;
  /** What is JSON but cannot be stored, since this was last set to `null`: the first such thing. */
  fault: RowFault | null = null;
  /** What closes the values begun, outermost first. */
  private readonly closers: Uint8Array;

  constructor(
    private readonly path: string,
    private readonly maxDepth: number,
  ) {
    this.closers = new Uint8Array(maxDepth);
  }

  /** The first byte at or after `at` that is no blank, or `bytes.length`. */
  skipBlanks(bytes: Uint8Array, at: number): number {
    for (; at < bytes.length; at++) {
      const byte = bytes[at] as number;
      if (byte === LF) this.line++;
      else if (byte !== 0x20 && byte !== 0x0d && byte !== 0x09) break;
    }
    return at;
  }

  /** The place behind the string, number or word that begins at `at`, or `UNFINISHED`. */
  skipScalar(bytes: Uint8Array, at: number): number {
    if (at >= bytes.length) return UNFINISHED;
    const byte = bytes[at] as number;
    if (byte === QUOTE) return this.skipString(bytes, at);
    return byte === 0x2d || (byte >= 0x30 && byte <= 0x39) ? this.skipNumber(bytes, at) : this.skipWord(bytes, at);
  }

  skipString(bytes: Uint8Array, at: number): number {
    this.escaped = false;
    const end = bytes.length;
    for (let i = at + 1; i < end; i++) {
      const byte = bytes[i] as number;
      if (byte === QUOTE) return i + 1;
      if (byte === BACKSLASH) {
        this.escaped = true;
        i = this.skipEscape(bytes, i + 1);
        if (i === UNFINISHED) return UNFINISHED;
      } else if (byte < 0x20)
        throw this.bad('a string holds a line end or another control character; write it as an escape');
    }
    return UNFINISHED;
  }

  /** Returns the escape's last byte. */
  private skipEscape(bytes: Uint8Array, at: number): number {
    if (at >= bytes.length) return UNFINISHED;
    const byte = bytes[at] as number;
    if (byte !== 0x75) {
      if ('"\\/bfnrt'.includes(String.fromCharCode(byte))) return at;
      throw this.bad(`\\${String.fromCharCode(byte)} is no escape of JSON`);
    }
    if (at + 4 >= bytes.length) return UNFINISHED;
    const digits = Buffer.from(bytes.subarray(at + 1, at + 5)).toString('latin1');
    if (!/^[0-9a-fA-F]{4}$/.test(digits)) throw this.bad(`\\u${digits} is no escape of JSON`);
    if (digits === '0000') this.unstorable('a string holds the character U+0000, which PostgreSQL cannot store');
    return at + 4;
  }

  /** The place behind the object or list that begins at `at`, or `UNFINISHED`. No recursion: depth is data. */
  skipNested(bytes: Uint8Array, at: number): number {
    let depth = 0;
    let i = at;
    for (;;) {
      const byte = bytes[i];
      if (byte === OPEN_OBJECT || byte === OPEN_LIST) {
        if (depth === this.maxDepth) throw this.tooDeep();
        const close = byte === OPEN_OBJECT ? CLOSE_OBJECT : CLOSE_LIST;
        this.closers[depth++] = close;
        i = this.skipBlanks(bytes, i + 1);
        if (bytes[i] !== close) {
          if (close === CLOSE_OBJECT) i = this.skipKey(bytes, i);
          if (i === UNFINISHED || i >= bytes.length) return UNFINISHED;
          continue;
        }
        i++;
        depth--;
      } else i = this.skipScalar(bytes, i);
      while (i !== UNFINISHED && depth > 0) {
        i = this.skipBlanks(bytes, i);
        if (bytes[i] !== this.closers[depth - 1]) break;
        i++;
        depth--;
      }
      if (i === UNFINISHED || depth === 0) return i;
      i = this.skipComma(bytes, i, this.closers[depth - 1] as number);
      if (i === UNFINISHED) return UNFINISHED;
    }
  }

  /** A comma and what stands between it and the next value: blanks and, in an object, the key. */
  private skipComma(bytes: Uint8Array, at: number, close: number): number {
    if (at >= bytes.length) return UNFINISHED;
    if (bytes[at] !== 0x2c) throw this.unexpected(bytes, at, close === CLOSE_OBJECT ? '"," or "}"' : '"," or "]"');
    const next = this.skipBlanks(bytes, at + 1);
    const value = close === CLOSE_OBJECT ? this.skipKey(bytes, next) : next;
    return value >= bytes.length ? UNFINISHED : value;
  }

  /** A key, its colon, and the blanks around it. */
  private skipKey(bytes: Uint8Array, at: number): number {
    const end = this.skipName(bytes, at);
    return end === UNFINISHED ? UNFINISHED : this.skipColon(bytes, end);
  }

  skipName(bytes: Uint8Array, at: number): number {
    if (at >= bytes.length) return UNFINISHED;
    if (bytes[at] !== QUOTE) throw this.unexpected(bytes, at, 'a name in double quotes');
    return this.skipString(bytes, at);
  }

  /** The value behind the colon, or `UNFINISHED`. */
  skipColon(bytes: Uint8Array, at: number): number {
    const colon = this.skipBlanks(bytes, at);
    if (colon >= bytes.length) return UNFINISHED;
    if (bytes[colon] !== 0x3a) throw this.unexpected(bytes, colon, '":"');
    const value = this.skipBlanks(bytes, colon + 1);
    return value >= bytes.length ? UNFINISHED : value;
  }

  skipNumber(bytes: Uint8Array, at: number): number {
    const end = bytes.length;
    const whole = bytes[at] === 0x2d ? at + 1 : at;
    let i = this.digits(bytes, whole);
    if (i < end && bytes[whole] === 0x30 && i > whole + 1) throw this.bad('a number begins with a needless 0');
    if (i !== UNFINISHED && i < end && bytes[i] === 0x2e) i = this.digits(bytes, i + 1);
    if (i !== UNFINISHED && i < end && (bytes[i] === 0x65 || bytes[i] === 0x45)) {
      const sign = i + 1 < end && (bytes[i + 1] === 0x2b || bytes[i + 1] === 0x2d) ? 2 : 1;
      i = this.digits(bytes, i + sign);
    }
    // A number that touches the end of the bytes may go on in the next ones.
    return i === UNFINISHED || (i >= end && !this.last) ? UNFINISHED : i;
  }

  /** Behind at least one digit. */
  private digits(bytes: Uint8Array, at: number): number {
    const end = bytes.length;
    let i = at;
    for (; i < end; i++) {
      const byte = bytes[i] as number;
      if (byte < 0x30 || byte > 0x39) break;
    }
    if (i > at) return i;
    if (i < end) throw this.unexpected(bytes, i, 'a digit');
    return UNFINISHED;
  }

  private skipWord(bytes: Uint8Array, at: number): number {
    const word = LITERALS[bytes[at] as number];
    if (word === undefined) throw this.unexpected(bytes, at, 'a value');
    for (let i = 1; i < word.length; i++) {
      if (at + i >= bytes.length) return UNFINISHED;
      if (bytes[at + i] !== word[i]) throw this.unexpected(bytes, at, 'a value');
    }
    return at + word.length;
  }

  unexpected(bytes: Uint8Array, at: number, wanted: string): BadFile {
    const [shown = ''] = Buffer.from(bytes.subarray(at, at + 12))
      .toString()
      .split('\n');
    return this.bad(`${wanted} was expected where ${JSON.stringify(shown)} stands`);
  }

  bad(problem: string): BadFile {
    return new BadFile('malformed', this.sentence(problem), { line: this.line, column: null });
  }

  unstorable(problem: string): void {
    this.fault ??= { type: 'malformed', reason: this.sentence(problem), line: this.line, column: null };
  }

  private sentence(problem: string): string {
    return `${this.path}, line ${this.line}: ${problem}.`;
  }

  private tooDeep(): BadFile {
    const problem = `values are nested deeper than the ${this.maxDepth} levels that SLUICE_MAX_DEPTH allows`;
    return new BadFile('limit', this.sentence(problem), { line: this.line });
  }
}
