import type { QualitySpec, RunRecorder, RunningOrder } from '@sluice/ingestion';
import { QualityBreach } from './faults';

const RUNS_COMPARED = 5;

/** Looks at the rows of a whole run before any of them is committed. */
export class QualityGates {
  private readonly quality: QualitySpec;

  constructor(
    private readonly order: RunningOrder,
    private readonly recorder: RunRecorder,
  ) {
    this.quality = order.quality;
  }

  /** Raises `QualityBreach`. Only for a run that loads files: nothing new is no breach. */
  async assertKept(rows: number): Promise<void> {
    this.assertEnough(rows);
    await this.assertNoDrop(rows);
  }

  private assertEnough(rows: number): void {
    const { min_rows } = this.quality;
    if (min_rows === null || rows >= min_rows) return;
    throw new QualityBreach(
      `The run has ${rows} rows and quality.min_rows asks for ${min_rows}: nothing was committed. Look at the files, or lower min_rows.`,
    );
  }

  private async assertNoDrop(rows: number): Promise<void> {
    const { max_drop_percent: most } = this.quality;
    if (most === null) return;
    const before = await this.recorder.recentRows(this.order.id, RUNS_COMPARED);
    if (before.length === 0) return;
    const mean = before.reduce((sum, count) => sum + count, 0) / before.length;
    const drop = mean === 0 ? 0 : 100 * (1 - rows / mean);
    if (drop <= most) return;
    throw new QualityBreach(
      `The run has ${rows} rows, ${drop.toFixed(1)} percent fewer than the ${mean.toFixed(0)} of the last ${before.length} runs in the middle, and quality.max_drop_percent allows ${most}: nothing was committed. Look at the files, or raise the limit.`,
    );
  }
}
