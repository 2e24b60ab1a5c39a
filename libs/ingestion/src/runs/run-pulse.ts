import { Inject, Injectable } from '@nestjs/common';
import { OwnConnection } from '@sluice/database';
import { Clock, CONFIG, type Config } from '@sluice/kernel';
import { hasEnded } from './run-moves';
import type { RunStatus } from '../types';

const LOOK_EVERY_MS = 3_000;
/** A heartbeat younger than this is not written anew: one comes about every 9 s. */
const BEAT_SECONDS = 8;

/** A process says that it lives as long as the row is its own: queued for its flow run, then running under its executor. */
const BEAT_AND_LOOK = `
WITH beat AS (
  UPDATE sluice_control.run SET heartbeat_at = now()
  WHERE id = $1 AND (status = 'queued' AND flow_run_id = $2 OR status = 'running' AND executor = $3)
    AND (heartbeat_at IS NULL OR heartbeat_at < now() - make_interval(secs => $4))
)
SELECT status, executor, cancel_requested_at IS NOT NULL AS "cancelRequested" FROM sluice_control.run WHERE id = $1`;

export interface OwnRun {
  id: string;
  flowRunId: string;
  executor: string;
}

/** Why a process is to stop. `cancelled`: somebody wants that. `ended`: its run is no longer its own. */
export interface StopOrder {
  kind: 'cancelled' | 'ended';
  because: string;
}

interface Seen {
  status: RunStatus;
  executor: string | null;
  cancelRequested: boolean;
}

/**
 * The heart of the process that executes a run: from `begin` to `end` it tells the control database that it lives, and looks each 3 s whether its
 * run is cancelled or was given up for lost meanwhile. On a connection of its own; while the database is away it tries again for ever.
 */
@Injectable()
export class RunPulse {
  private readonly connection: OwnConnection;
  private readonly stopped = new AbortController();
  private beating: Promise<void> = Promise.resolve();
  private wasOurs = false;

  constructor(
    @Inject(CONFIG) config: Config,
    private readonly clock: Clock,
  ) {
    this.connection = new OwnConnection(config.DATABASE_URL.reveal(), 'sluice-pulse');
  }

  /** `stop` is called once at most. */
  begin(run: OwnRun, stop: (order: StopOrder) => void): void {
    this.beating = this.beat(run, stop);
  }

  async end(): Promise<void> {
    this.stopped.abort(new Error('ended'));
    await this.beating;
    await this.connection.close();
  }

  /** Goes on after the order: a process that rolls back lives. */
  private async beat(run: OwnRun, stop: (order: StopOrder) => void): Promise<void> {
    const { signal } = this.stopped;
    for (let told = false; !signal.aborted;) {
      const order = await this.look(run).catch(() => null);
      if (order && !told) stop(order);
      told ||= order !== null;
      await this.clock.sleep(LOOK_EVERY_MS, signal).catch(() => undefined);
    }
  }

  private async look(run: OwnRun): Promise<StopOrder | null> {
    const values = [run.id, run.flowRunId, run.executor, BEAT_SECONDS];
    const [seen] = await this.connection.query<Seen>(BEAT_AND_LOOK, values);
    if (!seen) return { kind: 'cancelled', because: 'The ingestion was deleted while the run was active.' };
    this.wasOurs ||= seen.executor === run.executor;
    return this.orderOf(run, seen);
  }

  /** A run that was running under another executor before is one to take over. */
  private orderOf({ id, executor }: OwnRun, seen: Seen): StopOrder | null {
    if (seen.status === 'cancelled' || (seen.cancelRequested && !hasEnded(seen.status)))
      return { kind: 'cancelled', because: 'The run was cancelled; what was not committed was rolled back.' };
    if (seen.status === 'crashed')
      return { kind: 'ended', because: `Run ${id} was given up for lost; what was not committed was rolled back.` };
    if (this.wasOurs && seen.status === 'running' && seen.executor !== executor)
      return { kind: 'ended', because: `Another process has taken run ${id} over.` };
    return null;
  }
}
