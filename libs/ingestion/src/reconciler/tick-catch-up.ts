import { Injectable } from '@nestjs/common';
import {
  Clock,
  Conflict,
  DeploymentOfAnother,
  IngestionNotFound,
  OrchestrationUnavailable,
  RunActive,
} from '@sluice/kernel';
import { rowsOf } from '@sluice/database';
import { DataSource } from 'typeorm';
import { takenIndex } from '../faults';
import type { IngestionRow } from '../ingestion.entity';
import { LOAD_ALL } from '../runs/run-moves';
import { RunStarter } from '../runs/run-starter';
import type { TickCounter } from '../runs/run-queue';
import type { ScheduleSpec } from '../types';

/** After a start that Prefect did not take: the first pause of all starts, and the longest, ms. */
const FIRST_REST_MS = 60_000;
const LONGEST_REST_MS = 600_000;

/** An ingestion whose timetable runs. */
export interface Watched {
  id: string;
  schedule: ScheduleSpec;
  prefect_deployment_id: string;
  ticks_seen_until: Date;
}

/** What was found of the ticks after `ticks_seen_until`. */
export interface Seen {
  /** The watermark to be. */
  until: Date;
  /** The tick that was due last; absent while more of them are still to be summed up. */
  last: Date | null;
  /** Ticks that nobody has planned and that are to be counted. */
  open: Date[];
  /** The last one is among those that nobody has planned, and nothing was planned after it. */
  lastIsOpen: boolean;
}

type Counts = Record<TickCounter, number>;

const NONE: Counts = { missed: 0, superseded: 0, overlap_skipped: 0 };

const MOVE_ON = `
UPDATE sluice_control.ingestion SET ticks_seen_until = $3, missed = missed + $4, superseded = superseded + $5, overlap_skipped = overlap_skipped + $6
WHERE id = $1 AND ticks_seen_until = $2 AND status = 'active' RETURNING id`;

const GIVES_WAY = `
SELECT 1 FROM sluice_control.run
WHERE id = $1 AND trigger = 'scheduled' AND planned_at < $2 AND place IS NULL AND started_at IS NULL`;

/** Does with ticks that were never planned what `missed_runs` says: counts them, and runs the latest. */
@Injectable()
export class TickCatchUp {
  private restMs = FIRST_REST_MS;
  private restsUntil = -Infinity;

  constructor(
    private readonly dataSource: DataSource,
    private readonly starter: RunStarter,
    private readonly clock: Clock,
  ) {}

  /** A start failed a while ago, and each that fails leaves a failed run: a Prefect that reads and cannot write would get one in every pass. */
  get rests(): boolean {
    return this.clock.elapsed() < this.restsUntil;
  }

  /** Errors: `OrchestrationUnavailable`; then nothing was counted. */
  async settle(row: Watched, seen: Seen): Promise<string[]> {
    const { open, last } = seen;
    if (open.length === 0 && !seen.lastIsOpen) return this.moveOn(row, seen.until, NONE, null);
    if (row.schedule.missed_runs === 'none')
      return this.moveOn(row, seen.until, { ...NONE, missed: open.length }, null);
    if (last === null || !seen.lastIsOpen)
      return this.moveOn(row, seen.until, { ...NONE, superseded: open.length }, null);
    const superseded = open.filter((tick) => tick.getTime() !== last.getTime()).length;
    // The run first, the count after: a run that is there accounts for its tick, should this process end in between.
    const became = await this.run(row, last);
    if (became === 'later') return [];
    if (became === 'refused') return this.moveOn(row, seen.until, { ...NONE, missed: open.length }, null);
    const overlap_skipped = became === 'overlapped' ? 1 : 0;
    return this.moveOn(row, seen.until, { ...NONE, superseded, overlap_skipped }, became === 'run' ? last : null);
  }

  private async run(row: Watched, plannedAt: Date): Promise<'run' | 'overlapped' | 'refused' | 'later'> {
    const assert = (_: unknown, now: IngestionRow) => assertUnmoved(row, now);
    try {
      await this.starter.startAlone(row.id, { trigger: 'scheduled', parameters: LOAD_ALL, plannedAt, assert });
      this.restMs = FIRST_REST_MS;
      return 'run';
    } catch (error) {
      if (error instanceof RunActive) return (await this.givesWay(error.runId, plannedAt)) ? 'later' : 'overlapped';
      if (error instanceof DeploymentOfAnother) return 'refused';
      if (takenIndex(error) === 'run_of_tick') return 'run';
      if (error instanceof Moved || error instanceof Conflict || error instanceof IngestionNotFound) return 'later';
      // Not initialized: it leaves no run, or that one's deployment is missing, which is mended.
      if (error instanceof OrchestrationUnavailable && error.reason !== 'not_initialized') this.rest();
      throw error;
    }
  }

  private rest(): void {
    this.restsUntil = this.clock.elapsed() + this.restMs;
    this.restMs = Math.min(2 * this.restMs, LONGEST_REST_MS);
  }

  /** An earlier tick that has not begun: it ends, or becomes a run that is met. */
  private async givesWay(runId: string, tick: Date): Promise<boolean> {
    return (await rowsOf(this.dataSource, GIVES_WAY, [runId, tick])).length > 0;
  }

  private async moveOn(row: Watched, until: Date, counts: Counts, caughtUp: Date | null): Promise<string[]> {
    const values = [row.id, row.ticks_seen_until, until, counts.missed, counts.superseded, counts.overlap_skipped];
    const moved = await rowsOf(this.dataSource, MOVE_ON, values);
    const told = Object.entries(counts).filter(([, count]) => count > 0);
    if (moved.length === 0 || (told.length === 0 && caughtUp === null)) return [];
    const what = told.map(([counter, count]) => `${count} ${counter}`);
    if (caughtUp) what.unshift(`the one of ${caughtUp.toISOString()} runs now`);
    return [`Ticks of ingestion ${row.id} that Prefect had not planned: ${what.join(', ')}`];
  }
}

/** Paused, resumed or given another timetable since it was looked at: those ticks are no longer asked for. */
class Moved extends Error {}

function assertUnmoved(before: Watched, now: IngestionRow): Promise<void> {
  const same = now.ticks_seen_until?.getTime() === before.ticks_seen_until.getTime();
  return same && now.status === 'active' ? Promise.resolve() : Promise.reject(new Moved());
}
