import { Injectable } from '@nestjs/common';
import { Conflict } from '@sluice/kernel';
import { rowsOf } from '@sluice/database';
import { type FlowRunPhase, OrchestrationGateway } from '@sluice/orchestration-gateway';
import { DataSource } from 'typeorm';
import { saying, SENTENCE } from '../faults';
import type { RunRow } from './run.entity';
import { hasEnded, moveRun, runError } from './run-moves';
import { ALIVE_SECONDS, endOf, RunSettlement } from './run-settlement';

/**
 * Cancels a run: in Prefect first; what has not started then never loads, what has is ended by its own process. That hears of it from Prefect, and
 * from its row where the worker or the flow run is gone; if the process is gone itself, the reconciler ends the run (`SilentRuns`).
 */
@Injectable()
export class RunCancellation {
  constructor(
    private readonly dataSource: DataSource,
    private readonly gateway: OrchestrationGateway,
    private readonly settlement: RunSettlement,
  ) {}

  async cancel(run: RunRow): Promise<void> {
    if (hasEnded(run.status)) throw ended(run, run.status);
    const phase = run.flow_run_id ? await this.inPrefect(run.flow_run_id) : null;
    await this.dataSource.query(ASKED, [run.id]);
    if (run.status === 'queued' && (await this.cancelQueued(run))) return;
    await this.endRunning(run, phase);
  }

  /** All that have not ended. One that ends by itself meanwhile is no fault. Errors: `OrchestrationUnavailable`. */
  async cancelActive(ingestionId: string): Promise<void> {
    for (const run of await rowsOf<RunRow>(this.dataSource, ACTIVE, [ingestionId]))
      await this.cancel(run).catch((error: unknown) => {
        if (!(error instanceof Conflict)) throw error;
      });
  }

  private inPrefect(flowRunId: string): Promise<FlowRunPhase | null> {
    return saying(SENTENCE.cancel, () => this.gateway.cancelFlowRun(flowRunId));
  }

  private cancelQueued(run: RunRow): Promise<boolean> {
    const errors = [runError('Cancelled', 'It was cancelled before it started.', false)];
    return moveRun(this.dataSource, run.id, { from: 'queued', to: 'cancelled', errors });
  }

  /** Whatever a worker that lost sight of it told Prefect: it looks at its row each 3 s. */
  private async lives({ id }: RunRow): Promise<boolean> {
    return (await rowsOf(this.dataSource, LIVES, [id, ALIVE_SECONDS])).length > 0;
  }

  /** Nothing to do while its process has it: it sees CANCELLING, or its row. A run whose process is gone is ended on Prefect's word. */
  private async endRunning(run: RunRow, phase: FlowRunPhase | null): Promise<void> {
    const end = run.flow_run_id ? endOf(phase, null) : null;
    if (!end || (end.status !== 'cancelled' && (await this.lives(run)))) return;
    const settled = await this.settlement.settle({ ...run, status: 'running' }, end);
    if (settled && end.status !== 'cancelled') throw ended(run, end.status);
  }
}

const LIVES = `
SELECT FROM sluice_control.run
WHERE id = $1 AND status = 'running' AND heartbeat_at >= now() - make_interval(secs => $2)`;

/** The first time counts. */
const ASKED = `
UPDATE sluice_control.run SET cancel_requested_at = now()
WHERE id = $1 AND cancel_requested_at IS NULL AND status IN ('queued', 'running')`;

const ACTIVE = `
SELECT * FROM sluice_control.run WHERE ingestion_id = $1 AND status IN ('queued', 'running') ORDER BY created_at, id`;

function ended(run: RunRow, status: string): Conflict {
  return new Conflict(`Run ${run.id} has already ended (${status}) and cannot be cancelled.`);
}
