import { BadFile } from '../../errors';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const LF = 10;
export const MAX_DEPTH = 512;
/** The bytes end inside a value; nothing is wrong yet. */
export const UNFINISHED = -1;

const LITERALS = [Buffer.from('true'), Buffer.from('false'), Buffer.from('null')] as const;

/** Walks over JSON (RFC 8259, strictly) in bytes and never builds a value. Counts the lines it passes. */
export class JsonScanner {
  /** The line of the place last reached; strings cannot hold line ends, so only blanks are counted. */
  line = 1;
  /** Whether the string last passed holds an escape. */
  escaped = false;
  /** True: the bytes given are all there are. */
  last = false;

  constructor(private readonly path: string) {}

  /** The first byte at or after `at` that is no blank, or `bytes.length`. */
  skipBlanks(bytes: Uint8Array, at: number): number {
    for (; at < bytes.length; at++) {
      const byte = bytes[at] as number;
      if (byte === LF) this.line++;
      else if (byte !== 0x20 && byte !== 0x0d && byte !== 0x09) break;
    }
    return at;
  }

  /** The place behind the value that begins at `at`, or `UNFINISHED`. */
  skipValue(bytes: Uint8Array, at: number, depth = 0): number {
    const byte = bytes[at];
    if (byte === undefined) return UNFINISHED;
    if (byte === QUOTE) return this.skipString(bytes, at);
    if (byte === 0x7b || byte === 0x5b) return this.skipNested(bytes, at, depth);
    if (byte === 0x2d || (byte >= 0x30 && byte <= 0x39)) return this.skipNumber(bytes, at);
    return this.skipLiteral(bytes, at);
  }

  skipString(bytes: Uint8Array, at: number): number {
    this.escaped = false;
    const end = bytes.length;
    for (let i = at + 1; i < end; i++) {
      const byte = bytes[i] as number;
      if (byte === QUOTE) return i + 1;
      if (byte === BACKSLASH) {
        this.escaped = true;
        if (i + 1 >= end) return UNFINISHED;
        i = this.skipEscape(bytes, i + 1);
        if (i === UNFINISHED) return UNFINISHED;
      } else if (byte < 0x20)
        throw this.bad('a string holds a line end or another control character; write it as an escape');
    }
    return UNFINISHED;
  }

  /** Returns the escape's last byte. */
  private skipEscape(bytes: Uint8Array, at: number): number {
    const byte = bytes[at] as number;
    if (byte !== 0x75) {
      if ('"\\/bfnrt'.includes(String.fromCharCode(byte))) return at;
      throw this.bad(`\\${String.fromCharCode(byte)} is no escape of JSON`);
    }
    if (at + 4 >= bytes.length) return UNFINISHED;
    const digits = Buffer.from(bytes.subarray(at + 1, at + 5)).toString('latin1');
    if (!/^[0-9a-fA-F]{4}$/.test(digits)) throw this.bad(`\\u${digits} is no escape of JSON`);
    if (digits === '0000') throw this.bad('a string holds the character U+0000, which PostgreSQL cannot store');
    return at + 4;
  }

  private skipNested(bytes: Uint8Array, at: number, depth: number): number {
    if (depth >= MAX_DEPTH)
      throw new BadFile(
        'limit',
        `${this.path}, line ${this.line}: values are nested deeper than ${MAX_DEPTH} levels.`,
        { line: this.line },
      );
    const close = bytes[at] === 0x7b ? 0x7d : 0x5d;
    let i = this.skipBlanks(bytes, at + 1);
    if (bytes[i] === close) return i + 1;
    for (;;) {
      if (close === 0x7d) i = this.skipKey(bytes, i);
      if (i === UNFINISHED) return UNFINISHED;
      i = this.skipValue(bytes, this.skipBlanks(bytes, i), depth + 1);
      if (i === UNFINISHED) return UNFINISHED;
      i = this.skipBlanks(bytes, i);
      const byte = bytes[i];
      if (byte === undefined) return UNFINISHED;
      if (byte === close) return i + 1;
      if (byte !== 0x2c) throw this.unexpected(bytes, i, close === 0x7d ? '"," or "}"' : '"," or "]"');
      i = this.skipBlanks(bytes, i + 1);
    }
  }

  /** A key and its colon. */
  skipKey(bytes: Uint8Array, at: number): number {
    if (at >= bytes.length) return UNFINISHED;
    if (bytes[at] !== QUOTE) throw this.unexpected(bytes, at, 'a name in double quotes');
    const end = this.skipString(bytes, at);
    if (end === UNFINISHED) return UNFINISHED;
    const colon = this.skipBlanks(bytes, end);
    if (colon >= bytes.length) return UNFINISHED;
    if (bytes[colon] !== 0x3a) throw this.unexpected(bytes, colon, '":"');
    return colon + 1;
  }

  private skipNumber(bytes: Uint8Array, at: number): number {
    let i = bytes[at] === 0x2d ? at + 1 : at;
    const whole = this.skipDigits(bytes, i);
    if (whole === i && whole < bytes.length) throw this.unexpected(bytes, i, 'a digit');
    if (bytes[i] === 0x30 && whole > i + 1) throw this.bad('a number begins with a needless 0');
    i = whole;
    if (bytes[i] === 0x2e) i = this.digitsAfter(bytes, i + 1);
    if (i !== UNFINISHED && (bytes[i] === 0x65 || bytes[i] === 0x45)) {
      const sign = bytes[i + 1] === 0x2b || bytes[i + 1] === 0x2d ? 2 : 1;
      i = this.digitsAfter(bytes, i + sign);
    }
    // A number that touches the end of the bytes may go on in the next ones.
    return i === UNFINISHED || (i >= bytes.length && !this.last) ? UNFINISHED : i;
  }

  private digitsAfter(bytes: Uint8Array, at: number): number {
    const end = this.skipDigits(bytes, at);
    if (end === at && at < bytes.length) throw this.unexpected(bytes, at, 'a digit');
    return end === at ? UNFINISHED : end;
  }

  private skipDigits(bytes: Uint8Array, at: number): number {
    while (at < bytes.length && (bytes[at] as number) >= 0x30 && (bytes[at] as number) <= 0x39) at++;
    return at;
  }

  private skipLiteral(bytes: Uint8Array, at: number): number {
    for (const word of LITERALS) {
      const part = bytes.subarray(at, at + word.length);
      if (word.compare(part) === 0) return at + word.length;
      if (part.length < word.length && word.subarray(0, part.length).compare(part) === 0) return UNFINISHED;
    }
    throw this.unexpected(bytes, at, 'a value');
  }

  unexpected(bytes: Uint8Array, at: number, wanted: string): BadFile {
    const shown =
      Buffer.from(bytes.subarray(at, at + 12))
        .toString()
        .split('\n')[0] ?? '';
    return this.bad(`${wanted} was expected where ${JSON.stringify(shown)} stands`);
  }

  bad(problem: string, column: string | null = null): BadFile {
    return new BadFile('malformed', `${this.path}, line ${this.line}: ${problem}.`, { line: this.line, column });
  }
}
