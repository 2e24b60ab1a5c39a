import { Injectable } from '@nestjs/common';
import { rowsOf } from '@sluice/database';
import { OrchestrationGateway } from '@sluice/orchestration-gateway';
import { DataSource } from 'typeorm';
import { type ReconcilerStep, untilStopped } from './step';

/** As long as a call that was given up may still arrive in Prefect. */
const LATE_SECONDS = 10;
const LOOK_BACK_HOURS = 24;
const PER_PASS = 100;

/** The time as text: a JavaScript date has no microseconds. */
const NEVER_BEGAN = `
SELECT id, ended_at::text FROM sluice_control.run
WHERE status IN ('failed', 'cancelled') AND started_at IS NULL
  AND ended_at < now() - make_interval(secs => $1) AND ended_at > now() - make_interval(hours => $2)
  AND ($3::timestamptz IS NULL OR (ended_at, id) > ($3::timestamptz, $4::uuid))
ORDER BY ended_at, id LIMIT $5`;

interface Ended {
  id: string;
  ended_at: string;
}

/**
 * Flow runs that wait for a worker although their run has ended before it began: its trigger was answered 503 and the flow run was made after all,
 * or it was cancelled while it was handed over. They would load nothing, but hang around until a worker takes them.
 */
@Injectable()
export class UnwantedFlowRuns implements ReconcilerStep {
  readonly name = 'unwanted flow runs';
  /** Up to which run it has asked. In memory: whoever leads next asks once more. */
  private last: Ended | null = null;

  constructor(
    private readonly dataSource: DataSource,
    private readonly gateway: OrchestrationGateway,
  ) {}

  async run(stop?: AbortSignal): Promise<string[]> {
    if (!this.gateway.initialized) return [];
    const after = [this.last?.ended_at ?? null, this.last?.id ?? null];
    const values = [LATE_SECONDS, LOOK_BACK_HOURS, ...after, PER_PASS];
    const ended = await rowsOf<Ended>(this.dataSource, NEVER_BEGAN, values);
    const last = ended.at(-1);
    if (!last) return [];
    const done = await this.cancelThoseOf(
      ended.map(({ id }) => id),
      stop,
    );
    if (!stop?.aborted) this.last = last;
    return done;
  }

  private async cancelThoseOf(runIds: string[], stop?: AbortSignal): Promise<string[]> {
    const done: string[] = [];
    const made = await this.gateway.flowRunsMadeFor(runIds);
    for (const [runId, { id, phase }] of untilStopped(made, stop)) {
      if (phase !== 'scheduled') continue;
      await this.gateway.cancelFlowRun(id);
      done.push(`Cancelled flow run ${id}: run ${runId} ended before it began`);
    }
    return done;
  }
}
