import { Injectable } from '@nestjs/common';
import { OrchestrationUnavailable, RunActive } from '@sluice/kernel';
import { rowsOf } from '@sluice/database';
import { DataSource } from 'typeorm';
import { CLAIM_SECONDS } from '../operation-claims';
import type { RunRow } from './run.entity';
import { isActive } from './run-queue';
import { isPromised } from './run-resubmission';
import { type ActiveRun, ALIVE_SECONDS, type FoundEnded, RunSettlement } from './run-settlement';
import { UnsentRuns } from './unsent-runs';

const ACTIVE = `
SELECT id, flow_run_id, status, place, trigger, heartbeat_at, created_at < now() - make_interval(secs => $2) AS forgotten,
  heartbeat_at IS NOT NULL OR status = 'running' AS entered,
  coalesce(heartbeat_at >= now() - make_interval(secs => $3), false) AS alive
FROM sluice_control.run WHERE ingestion_id = $1 AND status IN ('queued', 'running') ORDER BY created_at, id`;

/** `forgotten`: without a flow run, it has one in Prefect only if the API died before it wrote that down. `entered`: its process has come. `alive`: that was heard of a moment ago. */
export type ActiveRow = ActiveRun &
  Pick<RunRow, 'place' | 'trigger'> & { forgotten: boolean; entered: boolean; alive: boolean };

/** The runs of an ingestion that stand in the way of what it is to do next. */
@Injectable()
export class ActiveRuns {
  constructor(
    private readonly dataSource: DataSource,
    private readonly settlement: RunSettlement,
    private readonly unsent: UnsentRuns,
  ) {}

  /**
   * Oldest first. Runs that have ended in Prefect without their process saying so do not count, and are ended here: unless that process is heard of,
   * or another flow run is to be made for them (`RunResubmission`).
   * Errors: `OrchestrationUnavailable`.
   */
  async unended(ingestionId: string): Promise<ActiveRow[]> {
    const found: ActiveRow[] = [];
    for (const run of await this.of(ingestionId)) if (!(await this.hasEnded(run))) found.push(run);
    return found;
  }

  /** For what does not need Prefect: while it cannot be asked, the row's word counts. Errors: `RunActive`. */
  async assertNoneKnown(ingestionId: string): Promise<void> {
    for (const run of await this.of(ingestionId)) {
      const ended = await this.hasEnded(run).catch((error: unknown) => {
        if (error instanceof OrchestrationUnavailable) return false;
        throw error;
      });
      if (!ended) throw new RunActive(run.id);
    }
  }

  of(ingestionId: string): Promise<ActiveRow[]> {
    return rowsOf(this.dataSource, ACTIVE, [ingestionId, CLAIM_SECONDS, ALIVE_SECONDS]);
  }

  private async hasEnded(run: ActiveRow): Promise<boolean> {
    if (!run.flow_run_id) return run.forgotten && this.hasEndedUnsent(run);
    if (run.alive) return false;
    const end = await this.settlement.findEnded(run.flow_run_id);
    if (!end || isResubmitted(run, end)) return false;
    return (await this.settlement.settle(run, end)) || !(await isActive(this.dataSource, run.id));
  }

  private async hasEndedUnsent(run: ActiveRow): Promise<boolean> {
    const settled = (await this.unsent.settle([run.id])).get(run.id);
    if (typeof settled !== 'object') return settled === 'failed';
    return this.hasEnded({ ...run, flow_run_id: settled.id });
  }
}

/** `LostRuns` has its word: it makes another flow run, or ends it when that has crashed too. */
function isResubmitted(run: ActiveRow, { status }: FoundEnded): boolean {
  return !run.entered && isPromised(run) && status === 'crashed';
}
