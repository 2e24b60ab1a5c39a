import { BadFile, type LoadErrorType } from '@sluice/connectors';
import type { QualitySpec } from '@sluice/ingestion';
import type { Rejections } from './rejections';

/** How many rows of one file may be left out; from `quality.max_rejected_rows`. */
export class RejectionLimit {
  private readonly rows: number;
  private readonly percent: number;

  constructor({ max_rejected_rows: most }: QualitySpec) {
    const isPercent = typeof most === 'string' && most.endsWith('%');
    this.percent = isPercent ? Number(most.slice(0, -1)) : Infinity;
    this.rows = most === null || isPercent ? Infinity : Number(most);
  }

  /** Known in the middle of a file already, for a limit in rows. */
  isBroken(rejected: number): boolean {
    return rejected > this.rows;
  }

  /** Raises when the file has too many. `rows`: those sent. */
  assertKept(path: string, rejections: Rejections, rows: number): void {
    const { count } = rejections;
    const share = (100 * count) / Math.max(1, count + rows);
    if (count > this.rows || share > this.percent) throw this.broken(path, rejections);
  }

  broken(path: string, { count, first }: Rejections): BadFile {
    const limit = this.rows === Infinity ? `${this.percent} percent` : String(this.rows);
    const type: LoadErrorType = first?.type ?? 'malformed';
    return new BadFile(
      type,
      `${path} has ${count} or more bad rows, and quality.max_rejected_rows allows ${limit}. The first: ${first?.reason ?? ''} Correct the file or raise the limit.`,
      { line: first?.line ?? null, column: first?.column ?? null },
    );
  }
}
