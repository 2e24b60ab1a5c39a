import { randomUUID } from 'node:crypto';
import { Injectable, Logger } from '@nestjs/common';
import { Conflict, IngestionNotFound, OrchestrationUnavailable, RunActive, ValueError } from '@sluice/kernel';
import { isOutage, rowsOf, type SqlRunner } from '@sluice/database';
import { OrchestrationGateway } from '@sluice/orchestration-gateway';
import { DataSource } from 'typeorm';
import { ActiveRuns } from './active-runs';
import { COURTESY_MS } from '../agreement';
import { isOrphan, messageOf, saying, SENTENCE, takenIndex } from '../faults';
import type { Hold } from '../idempotency-keys';
import type { IngestionRow } from '../ingestion.entity';
import { KnownFlowRuns } from './known-flow-runs';
import { type Claim, OperationClaims } from '../operation-claims';
import type { RunRow } from './run.entity';
import { moveRun, NO_METRICS, runError } from './run-moves';
import { type Place, RunOverlap } from './run-overlap';
import { PLACES } from './run-queue';
import { endOf } from './run-settlement';
import { within } from '../tombstones';
import type { RunParameters, RunTrigger } from '../types';
import type { Triggered } from '../views';

export interface StartRequest {
  trigger: RunTrigger;
  parameters: RunParameters;
  /** The tick it catches up on; then `trigger` is `scheduled`. */
  plannedAt?: Date;
  /** The run that is done again. */
  retryOf?: string;
  /** What else must hold, asked in the transaction that queues the run; what it raises leaves nothing behind. */
  assert?: (tx: SqlRunner, row: IngestionRow) => Promise<void>;
  /** Under which the run is made; by default an id of its own. */
  hold?: Hold;
}

/** The one way to start a run by hand, whatever it is to do: run row, then flow run. A 503 means that it will not run. */
@Injectable()
export class RunStarter {
  private readonly logger = new Logger(RunStarter.name);

  constructor(
    private readonly dataSource: DataSource,
    private readonly gateway: OrchestrationGateway,
    private readonly claims: OperationClaims,
    private readonly flowRuns: KnownFlowRuns,
    private readonly active: ActiveRuns,
    private readonly overlap: RunOverlap,
  ) {}

  /** Errors: `ValueError` (no deployment), `IngestionNotFound`, `RunActive`, `Conflict`, `OrchestrationUnavailable`, those of `assert` and `KnownFlowRuns`. */
  async start(ingestionId: string, request: StartRequest): Promise<Triggered> {
    try {
      return await this.startAlone(ingestionId, request);
    } catch (error) {
      const [run] = error instanceof Conflict ? await this.active.of(ingestionId) : [];
      throw run ? new RunActive(run.id) : error;
    }
  }

  /** `start` for who tells apart `Conflict` (another operation is under way, whatever runs) and `RunActive` (a run stands in the way). */
  startAlone(ingestionId: string, request: StartRequest): Promise<Triggered> {
    return this.claims.hold(ingestionId, 'trigger', async (claim) => {
      assertDeployed(claim.row);
      await saying(SENTENCE.trigger, () => this.gateway.assertInitialized());
      return this.toPrefect(claim, await this.inItsPlace(claim.row, request));
    });
  }

  /**
   * For a queued run whose process died before anybody knew whether Prefect has it; repeatable. `null`: it will not run, since its flow run has
   * ended there. Errors: as `start`.
   */
  send(ingestionId: string, runId: string): Promise<Triggered | null> {
    return this.claims.hold(ingestionId, 'trigger', async (claim) => {
      const ended = await this.hasEndedUnsent(runId).catch((error: unknown) => this.giveUp(runId, ingestionId, error));
      if (typeof ended === 'string') return { run_id: runId, flow_run_id: ended };
      return ended ? null : this.toPrefect(claim, runId);
    });
  }

  /** Then its row ends too: a flow run is made once for a run, so Prefect would only name the old one. */
  private async hasEndedUnsent(runId: string): Promise<boolean> {
    const known = (await saying(SENTENCE.trigger, () => this.gateway.flowRunsMadeFor([runId]))).get(runId);
    const end = known && endOf(known.phase, known.message);
    if (!end) return false;
    const errors = [runError('FlowRunEnded', end.because, true)];
    return moveRun(this.dataSource, runId, { from: 'queued', to: end.status, errors });
  }

  private async toPrefect(claim: Claim, runId: string): Promise<Triggered> {
    const { row } = claim;
    assertDeployed(row);
    const flowRun = { deploymentId: row.prefect_deployment_id, ingestionId: row.id, runId };
    const flowRunId = await this.createFlowRun(claim, flowRun);
    await this.flowRuns.remember(row.id, runId, flowRunId).catch(async (error: unknown) => {
      const taken = await this.takeBack(flowRunId);
      // Then it may load, so it is started: its process writes it down, or the reconciler does.
      if (taken || !isOutage(error)) throw error;
    });
    return { run_id: runId, flow_run_id: flowRunId };
  }

  /** A tick may take the place between asking and taking: then it is asked once more. */
  private async inItsPlace(row: IngestionRow, request: StartRequest, again = true): Promise<string> {
    // Before a run is cancelled for this one; it decides in the transaction.
    await request.assert?.(this.dataSource, row);
    const place = await saying(SENTENCE.trigger, () => this.overlap.placeFor(row));
    try {
      return await this.queue(row, request, place);
    } catch (error) {
      if (!PLACES.has(takenIndex(error) ?? '')) throw error;
      if (again) return this.inItsPlace(row, request, false);
      throw await this.overlap.taken(row.id);
    }
  }

  private async queue(row: IngestionRow, request: StartRequest, place: Place): Promise<string> {
    const { trigger, parameters, plannedAt = null, retryOf = null, assert, hold } = request;
    const id = hold?.resourceId ?? randomUUID();
    const json = [JSON.stringify(parameters), JSON.stringify(NO_METRICS)];
    const values = [id, row.id, trigger, ...json, place, plannedAt, retryOf];
    const insert = async (tx: SqlRunner) => {
      await hold?.assert(tx);
      await assert?.(tx, row);
      await tx.query(QUEUE, values);
    };
    await this.dataSource.transaction(insert).catch((error: unknown) => {
      throw isOrphan(error) ? new IngestionNotFound(row.id) : error;
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

  /** Who is answered with an error must not find it loaded later, nor waiting. False: nobody knows whether Prefect has cancelled it. */
  private takeBack(flowRunId: string): Promise<boolean> {
    return within(COURTESY_MS, () => this.gateway.cancelFlowRun(flowRunId)).then(
      () => true,
      (error: unknown) => {
        this.logger.warn(
          `Flow run ${flowRunId}, whose run does not know it, could not be cancelled: ${messageOf(error)}`,
        );
        return false;
      },
    );
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
}

const QUEUE = `
INSERT INTO sluice_control.run (id, ingestion_id, trigger, parameters, status, metrics, place, planned_at, retry_of)
VALUES ($1, $2, $3, $4, 'queued', $5, $6, $7, $8)`;

interface FlowRunRequest {
  deploymentId: string;
  ingestionId: string;
  runId: string;
}

/** The gateway's word for a deployment that somebody removed from Prefect: the reconciler makes it again. */
function isMissing(error: unknown): boolean {
  return error instanceof OrchestrationUnavailable && error.reason === 'not_initialized';
}

function assertDeployed(row: IngestionRow): asserts row is IngestionRow & { prefect_deployment_id: string } {
  if (row.prefect_deployment_id) return;
  throw new ValueError(
    `Ingestion ${row.id} does not have a deployment. Please configure a schedule to enable execution.`,
    'schedule',
  );
}
