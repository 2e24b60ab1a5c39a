import { type CopyWriter, loadIdBytes } from './copy-writer';

export interface RowTailOptions {
  loadId: bigint;
  /** Rows have a `_rescued` (see `rescues`). */
  rescues: boolean;
  /** Rows have a `_row`. */
  numbered: boolean;
}

/** What every row ends with, in this order: `_rescued` (if any value may be rescued), `_load_id`, `_row` (if rows are numbered). */
export class RowTail {
  /** How many fields these are. */
  readonly fields: number;
  private readonly loadId: Buffer;
  private readonly rescues: boolean;
  private readonly numbered: boolean;
  /** Members of the JSON object to come, each with a comma before it. */
  private members = '';

  constructor({ loadId, rescues, numbered }: RowTailOptions) {
    this.fields = 1 + Number(rescues) + Number(numbered);
    this.loadId = loadIdBytes(loadId);
    this.rescues = rescues;
    this.numbered = numbered;
  }

  /** Keeps a value, as JSON, that has no column or does not fit its own, until its row is written or left out. */
  rescue(source: string, json: string): void {
    this.members += `,${JSON.stringify(source)}:${json}`;
  }

  /** Likewise several at once: the members of a JSON object, as they stand between its braces. */
  rescueMembers(members: string): void {
    this.members += `,${members}`;
  }

  /** Ends the row of the `record`-th record. */
  write(out: CopyWriter, record: number): void {
    if (this.rescues) this.writeRescued(out);
    out.raw(this.loadId, 0, 8);
    if (this.numbered) out.int64(record);
  }

  /** The row begun is left out: what was rescued of it goes with it. */
  clear(): void {
    this.members = '';
  }

  private writeRescued(out: CopyWriter): void {
    if (this.members === '') {
      out.nothing();
      return;
    }
    const json = Buffer.from(`{${this.members.slice(1)}}`);
    out.jsonb(json, 0, json.length);
    this.members = '';
  }
}
