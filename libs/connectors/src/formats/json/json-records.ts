import { BadFile } from '../../errors';
import { asFault, type BadRows, type RawRecord, type RowFault } from '../bad-rows';
import { isStorable, unstorable } from '../bytes';
import { type TextLimits, tooLong } from '../text-pass';
import { JsonMembers, type Slots } from './json-members';
import { JsonScanner, UNFINISHED } from './json-scanner';

const LF = 10;

/** Who takes the records. */
export interface RecordListener extends Slots {
  /** A record is complete: its members stand in `spans`. Says what is wrong with it, and then has written nothing. May not keep `raw`. */
  end(raw: RawRecord): RowFault | null;
  /** What was told of the record so far does not count. */
  drop(): void;
}

/**
 * Finds the records of a JSON file: the objects of one outermost array, or objects one after another (NDJSON, with or without line ends).
 * What is no JSON can be passed over only where each record has a line of its own. In an array, or where records go over several lines,
 * nothing tells where the next one begins, and an inner object could be taken for it.
 */
export class JsonRecords {
  readonly scanner: JsonScanner;
  /** Records met, the bad ones among them. */
  records = 0;
  /** Records that were not bad. */
  written = 0;
  /** The line the record last begun begins on. */
  recordLine = 1;
  private recordStart = 0;
  private inArray = false;
  private started = false;
  private closed = false;
  private needsComma = false;
  private severalLines = false;
  private readonly members: JsonMembers;
  /** The same object for each record. */
  private readonly raw: RawRecord = { record: 0, line: 1, bytes: new Uint8Array(0), start: 0, end: 0 };

  constructor(
    path: string,
    private readonly limits: TextLimits,
    private readonly listener: RecordListener,
    private readonly bad: BadRows,
  ) {
    this.scanner = new JsonScanner(path, limits.depth);
    this.members = new JsonMembers(this.scanner, listener);
  }

  /**
   * Takes whole records until `rows` were good, and then the rest; returns how many bytes they were. `doubtful`: something in the bytes is not storable (see
   * `isAllStorable`).
   */
  consume(bytes: Buffer, last: boolean, doubtful: boolean, rows = Infinity): number {
    this.scanner.last = last;
    let at = this.started ? 0 : this.begin(bytes);
    if (!this.started) return at;
    while (this.written < rows && at < bytes.length) {
      const { line } = this.scanner;
      const next = this.nextRecord(bytes, at, last, doubtful);
      if (next === UNFINISHED) {
        this.scanner.line = line;
        return at;
      }
      at = next;
    }
    return this.written < rows ? at : bytes.length;
  }

  /** Nothing follows. */
  finish(): void {
    if (this.inArray && !this.closed) throw this.scanner.bad('the outermost array is never closed');
  }

  private begin(bytes: Uint8Array): number {
    const at = this.scanner.skipBlanks(bytes, 0);
    if (at >= bytes.length) return at;
    this.started = true;
    this.inArray = bytes[at] === 0x5b;
    return this.inArray ? at + 1 : at;
  }

  /** The place behind the next record, or behind what stands between records at the end; `UNFINISHED`: the bytes end within. */
  private nextRecord(bytes: Buffer, from: number, last: boolean, doubtful: boolean): number {
    this.recordStart = from;
    this.recordLine = this.scanner.line;
    let end: number;
    try {
      const start = this.recordAt(bytes, from);
      if (start >= bytes.length) return this.behindLast(start, last);
      end = this.record(bytes, start, last);
    } catch (error) {
      end = this.pass(error, bytes, last);
      if (end === UNFINISHED) this.listener.drop();
      return end;
    }
    if (end === UNFINISHED) this.listener.drop();
    else this.complete(bytes, end, doubtful);
    return end;
  }

  /** Where the next record begins; what stands between records may be the end of the file. */
  private recordAt(bytes: Buffer, from: number): number {
    const { scanner } = this;
    let at = scanner.skipBlanks(bytes, from);
    if (this.inArray && !this.closed) at = this.between(bytes, at);
    this.recordStart = at;
    this.recordLine = scanner.line;
    if (this.closed && at < bytes.length) throw scanner.unexpected(bytes, at, 'the end of the file');
    return at;
  }

  /** In an array a record or its end must follow, and perhaps the comma before it was read. */
  private behindLast(at: number, last: boolean): number {
    if (!this.inArray || this.closed) return at;
    if (last) this.finish();
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

  private record(bytes: Buffer, at: number, last: boolean): number {
    const { scanner } = this;
    if (bytes[at] !== 0x7b) throw scanner.unexpected(bytes, at, 'an object ("{")');
    scanner.fault = null;
    const end = this.members.scan(bytes, at);
    if (end === UNFINISHED && last) throw scanner.bad('the file ends in the middle of a record');
    return end;
  }

  private complete(bytes: Buffer, end: number, doubtful: boolean): void {
    const { recordStart: start, recordLine: line, scanner, listener, bad } = this;
    if (end - start > this.limits.recordBytes) throw tooLong(line, this.limits.recordBytes);
    this.needsComma = true;
    if (scanner.line !== line) this.severalLines = true;
    const { raw } = this;
    raw.record = ++this.records;
    raw.line = line;
    raw.bytes = bytes;
    raw.start = start;
    raw.end = end;
    let { fault } = scanner;
    if (doubtful) fault ??= storableFault(bytes.subarray(start, end), line);
    if (bad.anyRefused) fault ??= bad.refusal(raw.record, line);
    if (fault !== null) listener.drop();
    else fault = listener.end(raw);
    if (fault === null) this.written++;
    else bad.leave(fault, raw);
  }

  /** Passes over a line that is no JSON, or raises what is wrong with it. */
  private pass(error: unknown, bytes: Buffer, last: boolean): number {
    const { scanner, recordStart: start, recordLine: line } = this;
    if (!(error instanceof BadFile) || this.inArray || !this.bad.skips(asFault(error))) throw error;
    const isLine = scanner.line === line || this.records > 0;
    if (this.severalLines || !isLine) throw error;
    const lineEnd = bytes.indexOf(LF, start);
    if (lineEnd === -1 && !last) return UNFINISHED;
    this.listener.drop();
    const end = lineEnd === -1 ? bytes.length : lineEnd;
    this.bad.leave(asFault(error), { record: ++this.records, line, bytes, start, end });
    scanner.line = lineEnd === -1 ? line : line + 1;
    return lineEnd === -1 ? end : end + 1;
  }
}

function storableFault(record: Buffer, line: number): RowFault | null {
  return isStorable(record) ? null : asFault(unstorable(record, line));
}
