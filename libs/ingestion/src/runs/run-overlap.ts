import { Injectable } from '@nestjs/common';
import { Conflict, RunActive } from '@sluice/kernel';
import { rowsOf } from '@sluice/database';
import { DataSource } from 'typeorm';
import { type ActiveRow, ActiveRuns } from './active-runs';
import type { IngestionRow } from '../ingestion.entity';
import { RunCancellation } from './run-cancellation';
import type { RunRow } from './run.entity';
import { countReplaced } from './run-queue';

export type Place = NonNullable<RunRow['place']>;

/** What a run that is to be started does with those that are active: `overlap_policy`, for what the API starts. Ticks ask `RunQueue`. */
@Injectable()
export class RunOverlap {
  constructor(
    private readonly dataSource: DataSource,
    private readonly active: ActiveRuns,
    private readonly cancellation: RunCancellation,
  ) {}

  /** The place in the queue for one more run. Errors: `RunActive`, `OrchestrationUnavailable`. */
  async placeFor({ id, schedule }: Pick<IngestionRow, 'id' | 'schedule'>): Promise<Place> {
    const rows = await this.active.unended(id);
    const [first] = rows;
    if (!first) return 'next';
    const policy = schedule?.overlap_policy ?? 'skip';
    if (policy === 'skip') throw new RunActive(first.id);
    return policy === 'queue_one' ? this.behind(rows) : this.insteadOf(rows);
  }

  /** The error of one who found its place taken when it took it. */
  async taken(ingestionId: string): Promise<Error> {
    const rows = await this.active.of(ingestionId);
    const waiting = rows.find(({ place }) => place === 'waiting');
    if (waiting) return new RunActive(waiting.id, 'waiting');
    return rows[0] ? new RunActive(rows[0].id) : new Conflict('Another run of this ingestion was just starting.');
  }

  /** One that waited for nothing but its process to be started is the next; then another may wait. */
  private async behind(rows: ActiveRow[]): Promise<Place> {
    const waiting = rows.find(({ place }) => place === 'waiting');
    if (!waiting) return 'waiting';
    if (rows.length > 1) throw new RunActive(waiting.id, 'waiting');
    await rowsOf(this.dataSource, PROMOTE, [waiting.id]);
    return 'waiting';
  }

  /** What has begun takes up to 15 s to end; until then the new one waits for its lease. */
  private async insteadOf(rows: ActiveRow[]): Promise<Place> {
    for (const row of rows) await this.replace(row);
    return rows.some(({ status }) => status === 'running') ? 'waiting' : 'next';
  }

  private async replace({ id }: ActiveRow): Promise<void> {
    const [run] = await rowsOf<RunRow>(this.dataSource, 'SELECT * FROM sluice_control.run WHERE id = $1', [id]);
    if (!run) return;
    try {
      await this.cancellation.cancel(run);
    } catch (error) {
      // It has ended by itself meanwhile, so there is nothing to replace.
      if (error instanceof Conflict) return;
      throw error;
    }
    await countReplaced(this.dataSource, id);
  }
}

const PROMOTE = `UPDATE sluice_control.run SET place = 'next' WHERE id = $1 AND status = 'queued' AND place = 'waiting' RETURNING id`;
