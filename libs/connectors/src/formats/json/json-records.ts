import type { ValueKind } from '../inference';
import { JsonScanner, UNFINISHED } from './json-scanner';

/** Names kept decoded: a file whose names are data has no end of them. */
const MAX_NAMES = 10_000;

/** What is told of each record, in this order: begin, values (in the file's order, NULLs too), end. */
export interface RecordListener {
  begin(): void;
  /** The unescaped name of a member and its value as it stands (strings with their quotes). */
  value(
    name: string,
    kind: ValueKind | 'null',
    bytes: Uint8Array,
    start: number,
    end: number,
    escaped: boolean,
    line: number,
  ): void;
  end(): void;
  /** The record begun is not complete yet; it is told again from its beginning. */
  drop(): void;
}

/**
 * Finds the records of a JSON file: the objects of one outermost array, or objects one after another (NDJSON, with or without line ends).
 */
export class JsonRecords {
  readonly scanner: JsonScanner;
  records = 0;
  /** The line the record last begun begins on. */
  recordLine = 1;
  private inArray = false;
  private started = false;
  private closed = false;
  private needsComma = false;
  /** Names met, by their raw bytes as text, so that a name is decoded once per file. */
  private readonly names = new Map<string, string>();

  constructor(
    path: string,
    private readonly listener: RecordListener,
  ) {
    this.scanner = new JsonScanner(path);
  }

  /** Takes whole records, at most `most`; returns how many bytes they were. */
  consume(bytes: Uint8Array, last: boolean, most = Infinity): number {
    this.scanner.last = last;
    let at = this.started ? 0 : this.begin(bytes);
    if (!this.started) return at;
    const enough = this.records + most;
    while (this.records < enough) {
      const line = this.scanner.line;
      const next = this.nextRecord(bytes, at, last);
      if (next === UNFINISHED) {
        this.scanner.line = line;
        return at;
      }
      at = next;
      if (at >= bytes.length) break;
    }
    return at;
  }

  private begin(bytes: Uint8Array): number {
    // The byte order mark may come in pieces.
    if (bytes[0] === 0xef && bytes.length < 3 && !this.scanner.last) return 0;
    const from = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
    const at = this.scanner.skipBlanks(bytes, from);
    if (at >= bytes.length) return at;
    this.started = true;
    this.inArray = bytes[at] === 0x5b;
    return this.inArray ? at + 1 : at;
  }

  /** The place behind the next record, or behind what stands between records at the end. */
  private nextRecord(bytes: Uint8Array, from: number, last: boolean): number {
    let at = this.scanner.skipBlanks(bytes, from);
    if (this.inArray && !this.closed) at = this.between(bytes, at);
    if (at >= bytes.length) {
      if (!this.inArray || this.closed) return at;
      if (last) throw this.scanner.bad('the outermost array is never closed');
      return UNFINISHED;
    }
    if (this.closed) throw this.scanner.unexpected(bytes, at, 'the end of the file');
    const end = this.record(bytes, at);
    if (end !== UNFINISHED) {
      this.needsComma = true;
      return end;
    }
    if (last) throw this.scanner.bad('the file ends in the middle of a record');
    this.listener.drop();
    return UNFINISHED;
  }

  /** The comma before, or the bracket after, the records of an array. */
  private between(bytes: Uint8Array, at: number): number {
    if (at >= bytes.length) return at;
    if (bytes[at] === 0x5d) {
      this.closed = true;
      return this.scanner.skipBlanks(bytes, at + 1);
    }
    if (!this.needsComma) return at;
    if (bytes[at] !== 0x2c) throw this.scanner.unexpected(bytes, at, '"," or "]"');
    return this.scanner.skipBlanks(bytes, at + 1);
  }

  private record(bytes: Uint8Array, at: number): number {
    const { scanner, listener } = this;
    if (bytes[at] !== 0x7b) throw scanner.unexpected(bytes, at, 'an object ("{")');
    this.recordLine = scanner.line;
    listener.begin();
    let i = scanner.skipBlanks(bytes, at + 1);
    if (bytes[i] === 0x7d) return this.finish(i + 1);
    for (;;) {
      const nameAt = i;
      const afterKey = scanner.skipKey(bytes, i);
      if (afterKey === UNFINISHED) return UNFINISHED;
      const start = scanner.skipBlanks(bytes, afterKey);
      const line = scanner.line;
      const end = scanner.skipValue(bytes, start);
      if (end === UNFINISHED) return UNFINISHED;
      // A nested value's own strings leave their mark; it is only read for strings.
      const kind = kindOf(bytes[start] as number);
      listener.value(this.nameAt(bytes, nameAt), kind, bytes, start, end, scanner.escaped, line);
      i = scanner.skipBlanks(bytes, end);
      const byte = bytes[i];
      if (byte === undefined) return UNFINISHED;
      if (byte === 0x7d) return this.finish(i + 1);
      if (byte !== 0x2c) throw scanner.unexpected(bytes, i, '"," or "}"');
      i = scanner.skipBlanks(bytes, i + 1);
    }
  }

  private finish(at: number): number {
    this.records++;
    this.listener.end();
    return at;
  }

  private nameAt(bytes: Uint8Array, at: number): string {
    let end = at + 1;
    while (bytes[end] !== 0x22) end += bytes[end] === 0x5c ? 2 : 1;
    const raw = Buffer.from(bytes.buffer, bytes.byteOffset + at, end + 1 - at).toString('latin1');
    let name = this.names.get(raw);
    if (name === undefined) {
      name = JSON.parse(Buffer.from(bytes.subarray(at, end + 1)).toString()) as string;
      if (/\p{Surrogate}/u.test(name)) throw this.scanner.bad('half of a surrogate pair stands alone in a name');
      if (this.names.size >= MAX_NAMES) this.names.clear();
      this.names.set(raw, name);
    }
    return name;
  }
}

function kindOf(first: number): ValueKind | 'null' {
  if (first === 0x22) return 'string';
  if (first === 0x7b || first === 0x5b) return 'nested';
  if (first === 0x6e) return 'null';
  return first === 0x74 || first === 0x66 ? 'boolean' : 'number';
}
