import { Injectable, Logger } from '@nestjs/common';
import { Clock, DeploymentOfAnother, OrchestrationUnavailable, ValueError } from '@sluice/kernel';
import { rowsOf } from '@sluice/database';
import { OrchestrationGateway, RefusedByPrefect } from '@sluice/orchestration-gateway';
import { DataSource } from 'typeorm';
import { messageOf } from '../faults';
import { RunResubmission, type UnenteredRun } from '../runs/run-resubmission';
import { type ActiveRun, ALIVE_SECONDS, endOf, type FoundEnded, RunSettlement } from '../runs/run-settlement';
import { type ReconcilerStep, untilStopped } from './step';

/** From when Prefect says that it has ended until we believe that its process will not say more, ms. */
const GRACE_MS = 15_000;
const PAGE = 200;
const PER_PASS = 20;

const ACTIVE = `
SELECT id, ingestion_id, flow_run_id, status, trigger, heartbeat_at, heartbeat_at IS NOT NULL OR status = 'running' AS entered,
  coalesce(heartbeat_at < now() - make_interval(secs => $3), true) AS silent
FROM sluice_control.run
WHERE status IN ('queued', 'running') AND flow_run_id IS NOT NULL AND id > $1
ORDER BY id LIMIT $2`;

const FIRST_ID = '00000000-0000-0000-0000-000000000000';

type Lost = ActiveRun & UnenteredRun & { entered: boolean; silent: boolean };

/** Runs whose flow run has ended or vanished in Prefect while their row has not: their process is gone, or never came. */
@Injectable()
export class LostRuns implements ReconcilerStep {
  readonly name = 'lost runs';
  private readonly logger = new Logger(LostRuns.name);
  /** When a run was first seen ended. In memory: whoever leads next only gives more grace. */
  private seenEnded = new Map<string, number>();

  constructor(
    private readonly dataSource: DataSource,
    private readonly gateway: OrchestrationGateway,
    private readonly settlement: RunSettlement,
    private readonly resubmission: RunResubmission,
    private readonly clock: Clock,
  ) {}

  async run(stop?: AbortSignal): Promise<string[]> {
    if (!this.gateway.initialized) return [];
    const done: string[] = [];
    const due = this.overdue(await this.endedInPrefect(stop));
    for (const run of untilStopped(due.slice(0, PER_PASS), stop)) done.push(...(await this.tryEnding(run, stop)));
    return done;
  }

  /** One that cannot be ended does not stand before the others. Errors: `OrchestrationUnavailable`. */
  private async tryEnding(run: Lost, stop?: AbortSignal): Promise<string[]> {
    try {
      return await this.end(run, stop);
    } catch (error) {
      if (stop?.aborted || error instanceof OrchestrationUnavailable) throw error;
      this.logger.warn(`Run ${run.id} cannot be ended: ${messageOf(error)}`);
      return [];
    }
  }

  private async endedInPrefect(stop?: AbortSignal): Promise<Lost[]> {
    const ended: Lost[] = [];
    for (let after = FIRST_ID; ;) {
      const runs = await rowsOf<Lost>(this.dataSource, ACTIVE, [after, PAGE, ALIVE_SECONDS]);
      const flowRuns = await this.gateway.readFlowRuns(runs.map((run) => run.flow_run_id));
      stop?.throwIfAborted();
      ended.push(...runs.filter((run) => endOf(flowRuns.get(run.flow_run_id)?.phase ?? null, null) !== null));
      const last = runs.at(-1);
      if (!last || runs.length < PAGE) return ended;
      after = last.id;
    }
  }

  /** The longest seen first; who is not seen ended any more is forgotten. */
  private overdue(ended: readonly Lost[]): Lost[] {
    const now = this.clock.elapsed();
    this.seenEnded = new Map(ended.map(({ id }) => [id, this.seenEnded.get(id) ?? now]));
    const since = ({ id }: Lost) => this.seenEnded.get(id) ?? now;
    return ended.filter((run) => run.silent && now - since(run) >= GRACE_MS).sort((a, b) => since(a) - since(b));
  }

  /** Asked once more: a flow run can be taken up again, and an absence from a list proves little. */
  private async end(run: Lost, stop?: AbortSignal): Promise<string[]> {
    const end = await this.settlement.findEnded(run.flow_run_id);
    if (!end || stop?.aborted) return [];
    const instead = await this.instead(run, end);
    if (instead === UNKNOWN) return [];
    if (instead !== null) return [`Made flow run ${instead} for run ${run.id}: ${end.because}`];
    return (await this.settlement.settle(run, end)) ? [`Ended run ${run.id} as ${end.status}: ${end.because}`] : [];
  }

  private async instead(run: Lost, end: FoundEnded): Promise<string | null | typeof UNKNOWN> {
    if (run.entered || end.status !== 'crashed') return null;
    return this.resubmission.again(run).catch((error: unknown) => {
      if (error instanceof OrchestrationUnavailable) return UNKNOWN;
      if (error instanceof DeploymentOfAnother) return null;
      if (!(error instanceof RefusedByPrefect || error instanceof ValueError)) throw error;
      this.logger.warn(`Run ${run.id} gets no second flow run: ${messageOf(error)}`);
      return null;
    });
  }
}

/** Prefect could not be used: the next pass tries again. */
const UNKNOWN = Symbol('unknown');
