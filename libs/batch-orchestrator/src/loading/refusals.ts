import type { Refusal } from '@sluice/connectors';

/** Rows of one file that the server may refuse under `skip_rows`: more have another reason than the rows. */
const MOST = 100;
const NONE: ReadonlyMap<number, Refusal> = new Map();

/** The rows of one file that the server refused at earlier tries, by part (the members of a zip archive, else one) and record. */
export class Refusals {
  private readonly byPart = new Map<number, Map<number, Refusal>>();
  private count = 0;

  of(part: number): ReadonlyMap<number, Refusal> {
    return this.byPart.get(part) ?? NONE;
  }

  get isFull(): boolean {
    return this.count >= MOST;
  }

  add(part: number, record: number, refusal: Refusal): void {
    const known = this.byPart.get(part) ?? new Map<number, Refusal>();
    this.byPart.set(part, known.set(record, refusal));
    this.count++;
  }
}
