import { Injectable } from '@nestjs/common';
import { Clock } from '@sluice/kernel';
import { rowsOf } from '@sluice/database';
import { DataSource } from 'typeorm';
import type { RunRow } from '../runs/run.entity';
import { RunGivingUp } from '../runs/run-giving-up';
import { Sightings } from './sightings';
import type { ReconcilerStep } from './step';

/** Living processes beat about each 9 s; older ones are watched. */
const LATE_SECONDS = 12;
/** How long such a heartbeat must be seen unchanged until the process counts as gone, ms; for one that is to be cancelled. */
const GONE_MS = 35_000;
const GONE_WHEN_CANCELLED_MS = 15_000;
/** What a process that was asked to stop is given in any case. */
const CANCEL_SECONDS = 15;
/** Where a machine dies, its runs die together. */
const AT_ONCE = 10;
/** No group is begun later than this in a pass, ms: other steps wait. */
const PASS_MS = 15_000;

const LATE = `
SELECT id, ingestion_id, flow_run_id, status, heartbeat_at,
  coalesce(cancel_requested_at < now() - make_interval(secs => $2), false) AS overdue
FROM sluice_control.run
WHERE status IN ('queued', 'running') AND flow_run_id IS NOT NULL AND heartbeat_at < now() - make_interval(secs => $1)
ORDER BY heartbeat_at, id LIMIT 1000`;

type LateRun = Pick<RunRow, 'id' | 'ingestion_id'> & {
  flow_run_id: string;
  status: 'queued' | 'running';
  heartbeat_at: Date;
  overdue: boolean;
};

/** Runs whose process has entered and is not heard of any more, whatever Prefect believes: killed with its worker, frozen, or cut off. */
@Injectable()
export class SilentRuns implements ReconcilerStep {
  readonly name = 'silent runs';
  private readonly sightings = new Sightings();

  constructor(
    private readonly dataSource: DataSource,
    private readonly givingUp: RunGivingUp,
    private readonly clock: Clock,
  ) {}

  async run(stop?: AbortSignal): Promise<string[]> {
    const late = await rowsOf<LateRun>(this.dataSource, LATE, [LATE_SECONDS, CANCEL_SECONDS]);
    const silence = this.sightings.look(
      late.map(({ id, heartbeat_at }) => [id, heartbeat_at.toISOString()] as const),
      this.clock.elapsed(),
    );
    const gone = late.filter(
      ({ id, overdue }) => (silence.get(id) ?? 0) >= (overdue ? GONE_WHEN_CANCELLED_MS : GONE_MS),
    );
    return this.endAll(gone, stop);
  }

  private async endAll(gone: readonly LateRun[], stop?: AbortSignal): Promise<string[]> {
    const [done, until]: [string[], number] = [[], this.clock.elapsed() + PASS_MS];
    for (let next = 0; next < gone.length && this.clock.elapsed() < until && !stop?.aborted; next += AT_ONCE)
      done.push(...(await Promise.all(gone.slice(next, next + AT_ONCE).map((run) => this.end(run)))).flat());
    return done;
  }

  private async end(run: LateRun): Promise<string[]> {
    const status = run.overdue ? 'cancelled' : 'crashed';
    const because = `Its process has not been heard of since ${run.heartbeat_at.toISOString()}.`;
    const ended = await this.givingUp.giveUp(run, status, because);
    return ended ? [`Ended run ${run.id} as ${status}: ${because}`] : [];
  }
}
