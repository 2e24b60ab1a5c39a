import { Injectable } from '@nestjs/common';
import { rowsOf } from '@sluice/database';
import { type FlowRun, OrchestrationGateway } from '@sluice/orchestration-gateway';
import { DataSource } from 'typeorm';
import { CLAIM_SECONDS } from '../operation-claims';
import { moveRun, runError } from './run-moves';

/** What became of it: it has this flow run, it has failed, or somebody else was first. */
export type Settled = FlowRun | 'failed' | 'changed';

const FORGOTTEN = `
SELECT id FROM sluice_control.run
WHERE status = 'queued' AND flow_run_id IS NULL AND created_at < now() - make_interval(secs => $1)
ORDER BY created_at, id LIMIT $2`;

const ADOPT = `
UPDATE sluice_control.run SET flow_run_id = $2 WHERE id = $1 AND status = 'queued' AND flow_run_id IS NULL RETURNING id`;

/**
 * Queued runs whose row knows no flow run: the API died before it wrote down which one it got, or before it had asked for one, or the database went away
 * in between. Nobody was answered but with a flow run that Prefect has, so both is right: what Prefect has runs, what it does not have has failed.
 */
@Injectable()
export class UnsentRuns {
  constructor(
    private readonly dataSource: DataSource,
    private readonly gateway: OrchestrationGateway,
  ) {}

  /** Older than any call that may still hand them over; the oldest first. */
  async forgotten(limit: number): Promise<string[]> {
    const rows = await rowsOf<{ id: string }>(this.dataSource, FORGOTTEN, [CLAIM_SECONDS, limit]);
    return rows.map(({ id }) => id);
  }

  /** Asks Prefect by the keys under which they would have been sent. By run id. Errors: `OrchestrationUnavailable` (nothing changed). */
  async settle(runIds: readonly string[]): Promise<Map<string, Settled>> {
    const flowRuns = await this.gateway.flowRunsMadeFor(runIds);
    const settled = runIds.map(async (id) => [id, await this.settleBy(id, flowRuns.get(id))] as const);
    return new Map(await Promise.all(settled));
  }

  /** One that has ended there is adopted too: then that run ends as any other whose flow run has. */
  private async settleBy(runId: string, flowRun: FlowRun | undefined): Promise<Settled> {
    if (!flowRun) return (await this.fail(runId)) ? 'failed' : 'changed';
    return (await rowsOf(this.dataSource, ADOPT, [runId, flowRun.id])).length === 1 ? flowRun : 'changed';
  }

  /** Unless it got a flow run since Prefect was asked. */
  private fail(runId: string): Promise<boolean> {
    const errors = [runError('NeverSent', 'It was never handed to Prefect.', true)];
    const seen = { flow_run_id: null, heartbeat_at: null };
    return moveRun(this.dataSource, runId, { from: 'queued', to: 'failed', seen, errors });
  }
}
