import { randomUUID } from 'node:crypto';
import { Injectable, Logger } from '@nestjs/common';
import { Conflict, IngestionNotFound, OrchestrationUnavailable, RunActive, ValueError } from '@sluice/kernel';
import { rowsOf } from '@sluice/database';
import { OrchestrationGateway } from '@sluice/orchestration-gateway';
import { DataSource } from 'typeorm';
import { Agreement } from './agreement';
import { isOrphan, messageOf, saying, SENTENCE } from './faults';
import type { TriggerInput } from './inputs';
import { CLAIM_SECONDS, type Claim, OperationClaims } from './operation-claims';
import type { RunRow } from './run.entity';
import { moveRun, NO_METRICS, runError } from './run-moves';
import { type ActiveRun, RunSettlement } from './run-settlement';
import type { Triggered } from './views';

/** Starts a run by hand: run row, then flow run. A 503 means that it will not run. */
@Injectable()
export class ManualTrigger {
  private readonly logger = new Logger(ManualTrigger.name);

  constructor(
    private readonly dataSource: DataSource,
    private readonly gateway: OrchestrationGateway,
    private readonly claims: OperationClaims,
    private readonly agreement: Agreement,
    private readonly settlement: RunSettlement,
  ) {}

  async trigger(ingestionId: string, body: TriggerInput = {}): Promise<Triggered> {
    refuseLimits(body);
    try {
      return await this.claims.hold(ingestionId, 'trigger', (claim) => this.underClaim(claim));
    } catch (error) {
      const [active] = error instanceof Conflict ? await this.activeRuns(ingestionId) : [];
      throw active ? new RunActive(active.id) : error;
    }
  }

  private async underClaim(claim: Claim): Promise<Triggered> {
    const { row } = claim;
    if (!row.prefect_deployment_id) throw withoutDeployment(row.id);
    await saying(SENTENCE.trigger, () => this.gateway.assertInitialized());
    await saying(SENTENCE.trigger, () => this.assertNoneActive(row.id));
    const runId = await this.queue(row.id);
    const request = { deploymentId: row.prefect_deployment_id, ingestionId: row.id, runId };
    const flowRunId = await this.createFlowRun(claim, request);
    await this.remember(row.id, runId, flowRunId);
    return { run_id: runId, flow_run_id: flowRunId };
  }

  /** Runs that have ended in Prefect without their process saying so do not stand in the way. */
  private async assertNoneActive(ingestionId: string): Promise<void> {
    for (const run of await this.activeRuns(ingestionId)) {
      if (!(await this.hasEnded(run))) throw new RunActive(run.id);
    }
  }

  private async hasEnded(run: ActiveRun & { forgotten: boolean }): Promise<boolean> {
    if (!run.flow_run_id) return run.forgotten && this.settlement.settle(run, NEVER_SENT);
    const end = await this.settlement.findEnded(run.flow_run_id);
    if (!end) return false;
    await this.settlement.settle(run, end);
    return true;
  }

  private async activeRuns(ingestionId: string): Promise<(ActiveRun & { forgotten: boolean })[]> {
    return rowsOf(
      this.dataSource,
      `SELECT id, flow_run_id, status, created_at < now() - make_interval(secs => $2) AS forgotten
       FROM sluice_control.run WHERE ingestion_id = $1 AND status IN ('queued', 'running') ORDER BY created_at, id`,
      [ingestionId, CLAIM_SECONDS],
    );
  }

  private async queue(ingestionId: string): Promise<string> {
    const id = randomUUID();
    const sql = `INSERT INTO sluice_control.run (id, ingestion_id, trigger, status, metrics) VALUES ($1, $2, 'manual', 'queued', $3)`;
    await this.dataSource.query(sql, [id, ingestionId, JSON.stringify(NO_METRICS)]).catch((error: unknown) => {
      throw isOrphan(error) ? new IngestionNotFound(ingestionId) : error;
    });
    return id;
  }

  private async createFlowRun(claim: Claim, request: FlowRunRequest): Promise<string> {
    try {
      return (await saying(SENTENCE.trigger, () => this.gateway.createFlowRun(request))).flowRunId;
    } catch (error) {
      claim.driftSuspected = isMissing(error);
      return this.giveUp(request.runId, request.ingestionId, error);
    }
  }

  /** A failed row never loads, even if the flow run was made after all. If its process was faster, then it runs. */
  private async giveUp(runId: string, ingestionId: string, cause: unknown): Promise<string> {
    const errors = [runError('OrchestrationUnavailable', `It was not started: ${messageOf(cause)}`, true)];
    if (await moveRun(this.dataSource, runId, { from: 'queued', to: 'failed', errors })) throw cause;
    const sql = `SELECT flow_run_id, started_at FROM sluice_control.run WHERE id = $1`;
    const [run] = await rowsOf<Pick<RunRow, 'flow_run_id' | 'started_at'>>(this.dataSource, sql, [runId]);
    if (!run) throw new IngestionNotFound(ingestionId);
    if (run.started_at && run.flow_run_id) return run.flow_run_id;
    throw cause;
  }

  /** From here on it runs, whatever happens; its process writes the same id when it enters. */
  private async remember(ingestionId: string, runId: string, flowRunId: string): Promise<void> {
    const sql = `UPDATE sluice_control.run SET flow_run_id = $2 WHERE id = $1 RETURNING id`;
    const rows = await rowsOf(this.dataSource, sql, [runId, flowRunId]).catch((error: unknown) => {
      this.logger.warn(`Flow run ${flowRunId} of run ${runId} is not recorded yet: ${messageOf(error)}`);
      return [runId];
    });
    if (rows.length > 0) return;
    await this.agreement.yieldToDeletion(ingestionId);
    throw new IngestionNotFound(ingestionId);
  }
}

interface FlowRunRequest {
  deploymentId: string;
  ingestionId: string;
  runId: string;
}

/** The gateway's word for a deployment that somebody removed from Prefect: the reconciler makes it again. */
function isMissing(error: unknown): boolean {
  return error instanceof OrchestrationUnavailable && error.reason === 'not_initialized';
}

const NEVER_SENT = { status: 'failed', because: 'It was never handed to Prefect.' } as const;

function withoutDeployment(id: string): ValueError {
  return new ValueError(
    `Ingestion ${id} does not have a deployment. Please configure a schedule to enable execution.`,
    'schedule',
  );
}

function refuseLimits(body: TriggerInput): void {
  const given = Object.entries(body).find(([, value]) => value !== undefined && value !== null)?.[0];
  if (given !== undefined)
    throw new ValueError(`${given} is not available yet. Leave it out to load all that is new.`, given);
}
