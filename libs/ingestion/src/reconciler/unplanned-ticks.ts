import { Injectable, Logger } from '@nestjs/common';
import { Clock, OrchestrationUnavailable } from '@sluice/kernel';
import { rowsOf } from '@sluice/database';
import { OrchestrationGateway } from '@sluice/orchestration-gateway';
import { DataSource } from 'typeorm';
import { messageOf } from '../faults';
import { timetableOf } from '../rules';
import { fireTimes, isDoubtful } from '../rules/fire-times';
import { SETTLED_MS } from '../runs/ticks-seen';
import { type ReconcilerStep, untilStopped } from './step';
import { TickCatchUp, type Watched } from './tick-catch-up';
import { accountedFor, rangeToRead } from './tick-match';

/** Ingestions looked at in one pass. */
const PER_PASS = 200;
/** Ticks of one ingestion summed up in one pass: a month of minutes takes some. */
const MOST_TICKS = 2_000;

/** Rows made before there was a watermark, or whose status was set otherwise. */
const BEGIN = `
UPDATE sluice_control.ingestion SET ticks_seen_until = now()
WHERE ticks_seen_until IS NULL AND status = 'active' AND prefect_deployment_id IS NOT NULL RETURNING id`;

/** Whose deployment may be missing is looked at when that is mended. */
const WATCHED = `
SELECT id, schedule, prefect_deployment_id, ticks_seen_until FROM sluice_control.ingestion
WHERE status = 'active' AND prefect_deployment_id IS NOT NULL AND NOT drift_suspected AND schedule->>'frequency' <> 'manual'
  AND ticks_seen_until < $3 AND id > $1 ORDER BY id LIMIT $2`;

/** One that Prefect was never told of stands for nothing. */
const RUN_TICKS = `
SELECT planned_at FROM sluice_control.run
WHERE ingestion_id = $1 AND trigger = 'scheduled' AND planned_at > $2 AND NOT (status = 'failed' AND flow_run_id IS NULL)`;

const FIRST_ID = '00000000-0000-0000-0000-000000000000';

/**
 * Ticks for which Prefect never planned a flow run, because its scheduler was dead for longer than it plans ahead. Each is accounted for once:
 * `ticks_seen_until` moves over it by compare-and-set. While the scheduler is known to be dead nothing is: what is the latest tick shows at the end.
 */
@Injectable()
export class UnplannedTicks implements ReconcilerStep {
  readonly name = 'unplanned ticks';
  private readonly logger = new Logger(UnplannedTicks.name);
  /** Where the last pass stopped, so that each gets its turn. */
  private after = FIRST_ID;

  constructor(
    private readonly dataSource: DataSource,
    private readonly gateway: OrchestrationGateway,
    private readonly catchUp: TickCatchUp,
    private readonly clock: Clock,
  ) {}

  async run(stop?: AbortSignal): Promise<string[]> {
    await this.dataSource.query(BEGIN);
    if (!this.gateway.initialized || this.gateway.status().scheduler === 'dead') return [];
    if (this.catchUp.rests) return [];
    const until = new Date(this.clock.now().getTime() - SETTLED_MS);
    const rows = await rowsOf<Watched>(this.dataSource, WATCHED, [this.after, PER_PASS, until]);
    this.after = rows.length < PER_PASS ? FIRST_ID : (rows.at(-1)?.id ?? FIRST_ID);
    const done: string[] = [];
    for (const row of untilStopped(rows, stop)) done.push(...(await this.lookSafely(row, until, stop)));
    return done;
  }

  /** What is wrong with one keeps nobody else waiting; while Prefect cannot be used, the next pass goes on behind it. */
  private async lookSafely(row: Watched, until: Date, stop?: AbortSignal): Promise<string[]> {
    try {
      return await this.look(row, until, stop);
    } catch (error) {
      if (error instanceof OrchestrationUnavailable && !this.isMissing(error)) {
        this.after = row.id;
        throw error;
      }
      this.logger.warn(`Ticks of ingestion ${row.id} are not accounted for: ${messageOf(error)}`);
      return [];
    }
  }

  /** Its deployment, and not Prefect. */
  private isMissing({ reason }: OrchestrationUnavailable): boolean {
    return reason === 'not_initialized' && this.gateway.initialized;
  }

  private async look(row: Watched, until: Date, stop?: AbortSignal): Promise<string[]> {
    const timetable = timetableOf(row.schedule);
    const ticks = timetable ? fireTimes(timetable, row.ticks_seen_until, until, MOST_TICKS) : [];
    const last = ticks.at(-1);
    if (!timetable || last === undefined) return [];
    const complete = ticks.length < MOST_TICKS;
    const known = await this.planned(row, ticks, timetable.timezone);
    if (stop?.aborted) return [];
    const missing = ticks.filter((tick) => !accountedFor(tick, known, timetable.timezone));
    return this.catchUp.settle(row, {
      until: complete ? until : last,
      last: complete ? last : null,
      // What two programs may tell otherwise is not counted; that something is to be run at all does not hang on it.
      open: missing.filter((tick) => !isDoubtful(timetable.timezone, tick)),
      lastIsOpen: missing.includes(last) && !known.some((at) => at > last && at <= this.clock.now()),
    });
  }

  /** Our own rows know of nearly all; Prefect is asked for the rest. */
  private async planned(row: Watched, ticks: readonly Date[], timezone: string): Promise<Date[]> {
    const found = await rowsOf<{ planned_at: Date }>(this.dataSource, RUN_TICKS, [row.id, row.ticks_seen_until]);
    const runs = found.map(({ planned_at }) => planned_at);
    const first = ticks.find((tick) => !accountedFor(tick, runs, timezone));
    if (first === undefined) return runs;
    const { from, until } = rangeToRead(first, this.clock.now(), timezone);
    return [...runs, ...(await this.gateway.ticks(row.prefect_deployment_id, from, until))];
  }
}
