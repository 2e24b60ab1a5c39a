import { Injectable } from '@nestjs/common';
import { type DeploymentSpec, OrchestrationGateway } from '@sluice/orchestration-gateway';
import { DATABASE_NOW, type IngestionRow, type RowChanges } from './ingestion.entity';
import { sameTimetable, timetableOf } from './rules';
import type { ScheduleSpec } from './types';

/** A change in Prefect that can be taken back until the database has followed. */
export interface DeploymentStep {
  /** Gives the columns that follow from it. */
  apply(): Promise<RowChanges>;
  undo(): Promise<unknown>;
  /** What can only be done, and need not be undone, once the database has followed. `signal` ends it: the claim is given back then. */
  afterwards?(signal: AbortSignal): Promise<void>;
}

/** The timetable of such an ingestion stands still; it runs only when triggered. */
function standsStill({ status }: Pick<IngestionRow, 'status'>): boolean {
  return status === 'paused' || status === 'error';
}

/** A streak of failures ends with the timetable it came under. */
const COUNTED_ANEW = { consecutive_failures: 0, failing_warned: false } as const;

/** What the deployment of this row should be. */
export function deploymentSpec(row: Pick<IngestionRow, 'id' | 'name' | 'status' | 'schedule'>): DeploymentSpec {
  const timetable = row.schedule && timetableOf(row.schedule);
  return { ingestionId: row.id, title: row.name, timetable, paused: standsStill(row) };
}

/** How each change of an ingestion looks in Prefect. */
@Injectable()
export class DeploymentSteps {
  constructor(private readonly gateway: OrchestrationGateway) {}

  /** The step a wanted schedule needs; `null` when Prefect need not know. */
  forSchedule(
    row: IngestionRow,
    wanted: Pick<IngestionRow, 'name'> & { schedule: ScheduleSpec | null },
  ): DeploymentStep | null {
    const next = { ...row, ...wanted };
    if (!wanted.schedule) return row.prefect_deployment_id ? this.withdraw(row, row.prefect_deployment_id) : null;
    if (!row.prefect_deployment_id) return this.first(next);
    if (row.schedule && sameTimetable(row.schedule, wanted.schedule)) return null;
    return this.change(row, next, row.prefect_deployment_id);
  }

  /** `null` without a deployment: then only the status changes. */
  forPause(row: IngestionRow, paused: boolean): DeploymentStep | null {
    const deploymentId = row.prefect_deployment_id;
    if (!deploymentId) return null;
    const next: IngestionRow = { ...row, status: paused ? 'paused' : 'active' };
    return {
      apply: async () => ((await this.gateway.setPaused(deploymentId, paused)) ? {} : this.created(next)),
      undo: () => this.gateway.setPaused(deploymentId, standsStill(row)),
    };
  }

  private first(next: IngestionRow): DeploymentStep {
    return {
      apply: async () => ({
        ...(await this.created(next)),
        ...COUNTED_ANEW,
        ...(next.status === 'paused' ? { status: 'paused' } : { status: 'active', fresh_at: DATABASE_NOW }),
      }),
      undo: () => this.gateway.removeDeployment(next.id),
    };
  }

  private change(row: IngestionRow, next: IngestionRow, deploymentId: string): DeploymentStep {
    let before: DeploymentSpec = deploymentSpec(row);
    return {
      apply: async () => {
        const was = await this.gateway.changeDeployment(deploymentId, deploymentSpec(next));
        if (!was) return this.created(next);
        before = { ...before, timetable: was.timetable, paused: was.paused };
        return {};
      },
      undo: () => this.gateway.changeDeployment(deploymentId, before),
    };
  }

  /** Pausing proves that Prefect can be used and can be taken back; removing comes when the row no longer needs the deployment. */
  private withdraw(row: IngestionRow, deploymentId: string): DeploymentStep {
    return {
      apply: async () => {
        await this.gateway.setPaused(deploymentId, true);
        return { prefect_deployment_id: null, status: 'draft', error_reason: null, ...COUNTED_ANEW };
      },
      undo: () => this.gateway.setPaused(deploymentId, standsStill(row)),
      afterwards: (signal) => this.gateway.removeDeployment(row.id, signal),
    };
  }

  /** Also for a deployment that somebody has removed from Prefect: it is made again. */
  private async created(next: IngestionRow): Promise<Partial<IngestionRow>> {
    const deployment = await this.gateway.upsertDeployment(deploymentSpec(next));
    return { prefect_deployment_id: deployment.id };
  }
}
