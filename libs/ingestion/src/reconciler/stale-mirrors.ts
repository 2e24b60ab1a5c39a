import { Injectable } from '@nestjs/common';
import type { LedgerEntry } from '@sluice/connectors';
import { Clock, counted } from '@sluice/kernel';
import { rowsOf } from '@sluice/database';
import { DataSource } from 'typeorm';
import { LoadedData } from '../loaded-data';
import { RunRecorder } from '../runs/run-recorder';
import type { FileRecord } from '../types';
import { type ReconcilerStep, untilStopped } from './step';

const EVERY_MS = 30_000;
/** Who leads anew looks so far back; what is older was seen by the leader before, or is brought up by the next run. */
const LOOK_BACK = '1 day';
const RUNS_PER_PASS = 20;
const FILES_PER_PAGE = 500;
const PAGES_PER_PASS = 20;

/** Runs that did not end well, long enough ago for their process to be gone. While another run is active it brings the mirror up itself. */
const BROKEN_OFF = `
SELECT r.id, r.ingestion_id, r.ended_at::text FROM sluice_control.run r
WHERE r.status IN ('failed', 'cancelled', 'crashed') AND r.ended_at < now() - interval '60 seconds'
  AND (r.ended_at, r.id) > (coalesce($1::timestamptz, now() - interval '${LOOK_BACK}'), $2::uuid)
ORDER BY r.ended_at, r.id LIMIT $3`;

const ACTIVE = `SELECT 1 FROM sluice_control.run WHERE ingestion_id = $1 AND status IN ('queued', 'running') LIMIT 1`;

const FIRST_ID = '00000000-0000-0000-0000-000000000000';

interface BrokenOff {
  id: string;
  ingestion_id: string;
  ended_at: string;
}

/**
 * A run that crashed between its commit and its mirror left files in the table which the control database does not know: they are read from the
 * ledger. If it had rebuilt the table, others are known and no longer in: they are dropped.
 */
@Injectable()
export class StaleMirrors implements ReconcilerStep {
  readonly name = 'mirrors';
  private due = -Infinity;
  /** Up to which run all is well. */
  private after: { endedAt: string | null; id: string } = { endedAt: null, id: FIRST_ID };

  constructor(
    private readonly dataSource: DataSource,
    private readonly data: LoadedData,
    private readonly recorder: RunRecorder,
    private readonly clock: Clock,
  ) {}

  get isDue(): boolean {
    return this.clock.elapsed() >= this.due;
  }

  async run(stop?: AbortSignal): Promise<string[]> {
    if (!this.isDue) return [];
    this.due = this.clock.elapsed() + EVERY_MS;
    const done: string[] = [];
    const runs = await rowsOf<BrokenOff>(this.dataSource, BROKEN_OFF, [
      this.after.endedAt,
      this.after.id,
      RUNS_PER_PASS,
    ]);
    for (const run of untilStopped(runs, stop)) {
      const { files, gone, isWhole } = await this.bringUp(run.ingestion_id, stop);
      if (files > 0)
        done.push(`Found ${counted(files, 'file')} of interrupted runs of ingestion ${run.ingestion_id} in the ledger`);
      if (gone > 0)
        done.push(`Dropped ${counted(gone, 'file')} of ingestion ${run.ingestion_id} that its ledger has no longer`);
      if (!isWhole) break;
      this.after = { endedAt: run.ended_at, id: run.id };
    }
    return done;
  }

  private async bringUp(
    ingestionId: string,
    stop?: AbortSignal,
  ): Promise<{ files: number; gone: number; isWhole: boolean }> {
    let files = 0;
    for (let page = 0; page < PAGES_PER_PASS && !stop?.aborted; page += 1) {
      if ((await rowsOf(this.dataSource, ACTIVE, [ingestionId])).length > 0) return { files, gone: 0, isWhole: true };
      const after = await this.recorder.mirroredUpTo(ingestionId);
      const missing = await this.data.ledgerSince(ingestionId, after, FILES_PER_PAGE);
      if (missing.length === 0) return { files, gone: await this.dropGone(ingestionId), isWhole: true };
      await this.mirror(ingestionId, missing);
      files += missing.length;
    }
    return { files, gone: 0, isWhole: false };
  }

  /** A rebuild gives all files new load ids, so what it took out is below them all. */
  private async dropGone(ingestionId: string): Promise<number> {
    const [lowest] = await this.data.ledgerSince(ingestionId, null, 1);
    return lowest ? this.recorder.forgetFilesBelow(ingestionId, lowest.loadId) : 0;
  }

  private async mirror(ingestionId: string, entries: readonly LedgerEntry[]): Promise<void> {
    for (const runId of new Set(entries.map((entry) => entry.runId))) {
      const records = entries.filter((entry) => entry.runId === runId).map(loaded);
      await this.recorder.mirrorFiles(ingestionId, runId, records);
    }
  }
}

function loaded({ loadId, path, version, rows, rejected, bytes }: LedgerEntry): FileRecord {
  const mirrored = { first_error: null, load_id: loadId, attempts: 0, next_attempt_at: null };
  return { path, version, status: 'loaded', rows, rejected, bytes, ...mirrored };
}
