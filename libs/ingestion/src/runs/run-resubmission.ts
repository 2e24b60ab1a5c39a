import { Injectable } from '@nestjs/common';
import { rowsOf } from '@sluice/database';
import { OrchestrationGateway } from '@sluice/orchestration-gateway';
import { DataSource } from 'typeorm';
import type { RunRow } from './run.entity';
import type { RunTrigger } from '../types';

export type UnenteredRun = Pick<RunRow, 'id' | 'ingestion_id' | 'trigger'> & { flow_run_id: string };

/** What somebody was promised with a 202. A tick of the timetable is followed by the next one. */
const PROMISED: ReadonlySet<RunTrigger> = new Set(['manual', 'retry', 'refresh']);

export function isPromised({ trigger }: Pick<RunRow, 'trigger'>): boolean {
  return PROMISED.has(trigger);
}

const DEPLOYMENT = `SELECT prefect_deployment_id FROM sluice_control.ingestion WHERE id = $1 AND status <> 'provisioning'`;

const HAND_OVER = `
UPDATE sluice_control.run SET flow_run_id = $3
WHERE id = $1 AND flow_run_id = $2 AND status = 'queued' AND heartbeat_at IS NULL RETURNING id`;

/**
 * Makes a second flow run for a run whose first one crashed before its process entered: a worker that lost Prefect while it submitted, for instance.
 *
 * Once per run: the second flow run has a key of its own, and who asks again gets the same one. The first one's process may still come. Whoever of
 * the two enters first has the run, by compare-and-set on `heartbeat_at`, which an entry sets; the other finds it taken and loads nothing.
 */
@Injectable()
export class RunResubmission {
  constructor(
    private readonly dataSource: DataSource,
    private readonly gateway: OrchestrationGateway,
  ) {}

  /** The id of the flow run made; `null`: there is to be none, or it was made before and has ended too. Errors: `OrchestrationUnavailable`. */
  async again(run: UnenteredRun): Promise<string | null> {
    if (!isPromised(run)) return null;
    const [row] = await rowsOf<{ prefect_deployment_id: string | null }>(this.dataSource, DEPLOYMENT, [
      run.ingestion_id,
    ]);
    if (!row?.prefect_deployment_id) return null;
    const request = { deploymentId: row.prefect_deployment_id, ingestionId: run.ingestion_id, runId: run.id };
    const { flowRunId } = await this.gateway.createFlowRun({ ...request, instead: true });
    if (flowRunId === run.flow_run_id) return null;
    await this.handOver(run, flowRunId);
    return flowRunId;
  }

  /** Its process may have been here already, and then it has done this itself. */
  private async handOver({ id, flow_run_id }: UnenteredRun, flowRunId: string): Promise<void> {
    if ((await rowsOf(this.dataSource, HAND_OVER, [id, flow_run_id, flowRunId])).length > 0) return;
    const sql = `SELECT FROM sluice_control.run WHERE id = $1 AND flow_run_id = $2`;
    if ((await rowsOf(this.dataSource, sql, [id, flowRunId])).length === 0) await this.gateway.cancelFlowRun(flowRunId);
  }
}
