import { BadFile, type LoadErrorType } from '../errors';
import type { CopyOrder, ReadPlan } from './format-reader';

/** Longest part of a bad record that is kept. */
const MAX_RAW_BYTES = 64 * 1024;
const LONGEST_SHOWN = 60;

/** What is wrong with one row. */
export interface RowFault {
  type: LoadErrorType;
  /** A sentence with the place, the value and the next step. */
  reason: string;
  line: number | null;
  column: string | null;
}

/** A record as it stands in a file. */
export interface RawRecord {
  /** Its number, from 1. */
  record: number;
  /** The line it begins on. */
  line: number | null;
  bytes: Uint8Array;
  start: number;
  end: number;
}

/** What becomes of rows that cannot be loaded: the first fails the file, or each is handed over and reading goes on. */
export class BadRows {
  constructor(
    private readonly policy: ReadPlan['badRows'],
    private readonly reject: CopyOrder['reject'],
    private readonly refused: CopyOrder['refused'] = new Map(),
  ) {}

  /** Whether `refusal` can have an answer: spares the question for each row of all other files. */
  get anyRefused(): boolean {
    return this.refused.size > 0;
  }

  /** What the server said of a record at an earlier try. */
  refusal(record: number, line: number | null): RowFault | null {
    const said = this.refused.get(record);
    return said === undefined ? null : { type: 'destination', reason: said.reason, line, column: said.column };
  }

  /** Reading goes on behind a row with this fault. What the server refused is always left out: that was asked for. */
  skips({ type }: RowFault): boolean {
    return this.policy === 'reject' || type === 'destination';
  }

  /** Leaves a row out, or raises the `BadFile`. */
  leave(fault: RowFault, raw: RawRecord): void {
    if (!this.skips(fault)) throw asError(fault);
    const stop = Math.min(raw.end, raw.start + MAX_RAW_BYTES);
    this.reject({
      record: raw.record,
      line: raw.line,
      column: fault.column,
      type: fault.type,
      reason: fault.reason,
      raw: storable(Buffer.from(raw.bytes.subarray(raw.start, stop)).toString()),
    });
  }
}

/** Bad rows are passed over without a word: for samples. */
export const PASSED_OVER = new BadRows('reject', () => undefined);

export function asError({ type, reason, line, column }: RowFault): BadFile {
  return new BadFile(type, reason, { line, column });
}

export function asFault({ type, message, place }: BadFile): RowFault {
  return { type, reason: message, line: place.line ?? null, column: place.column ?? null };
}

/** A value for a message, shortened. */
export function shown(bytes: Uint8Array, start: number, end: number): string {
  return storable(Buffer.from(bytes.subarray(start, Math.min(end, start + LONGEST_SHOWN))).toString());
}

/** Messages and rejected records are stored by PostgreSQL, which takes no NUL: its symbol stands for it. */
function storable(text: string): string {
  return text.replaceAll('\0', '\u2400');
}
