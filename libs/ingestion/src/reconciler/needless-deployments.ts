import { Injectable } from '@nestjs/common';
import { rowsOf } from '@sluice/database';
import { type HeldDeployment, OrchestrationGateway } from '@sluice/orchestration-gateway';
import { DataSource } from 'typeorm';
import type { Drift } from './drift';

/** An ingestion whose creation or other operation is under way is known, and so is one that a tombstone stands for. */
const KNOWN = `
SELECT id, schedule IS NULL AND operation_id IS NULL AND status <> 'provisioning' AS needless
FROM sluice_control.ingestion WHERE id = ANY ($1)
UNION ALL
SELECT ingestion_id, false FROM sluice_control.tombstone WHERE ingestion_id = ANY ($1)`;

type Ours = HeldDeployment & { ingestionId: string };

/**
 * Deployments marked as ours that no ingestion goes with, or one without a schedule. Prefect is read before the rows, and a row is there before its
 * deployment: one being created is never taken for an orphan. Writes nothing.
 */
@Injectable()
export class NeedlessDeployments {
  constructor(
    private readonly dataSource: DataSource,
    private readonly gateway: OrchestrationGateway,
  ) {}

  /** `looked`: how many deployments of ours the page held. */
  async *pages(): AsyncGenerator<{ looked: number; drifts: Drift[] }> {
    let before = new Set<string>();
    for await (const page of this.gateway.deploymentPages()) {
      const [fresh, overlapping] = [page.filter(({ id }) => !before.has(id)), new Set(page.map(({ id }) => id))];
      before = overlapping;
      yield { looked: fresh.length, drifts: await this.judge(fresh.filter(isNamedByUs)) };
    }
  }

  private async judge(page: readonly Ours[]): Promise<Drift[]> {
    const ids = page.map(({ ingestionId }) => ingestionId);
    const rows = await rowsOf<{ id: string; needless: boolean }>(this.dataSource, KNOWN, [ids]);
    const known = new Map(rows.map(({ id, needless }) => [id, needless]));
    return page.flatMap((held) => {
      const needless = known.get(held.ingestionId);
      return needless === undefined ? [orphan(held)] : needless ? [unscheduled(held)] : [];
    });
  }
}

function isNamedByUs(held: HeldDeployment): held is Ours {
  return held.ingestionId !== null;
}

function orphan(held: Ours): Drift {
  const message = `Deployment ${held.name} has no ingestion.`;
  return { ...needless(held), kind: 'orphan', message };
}

function unscheduled(held: Ours): Drift {
  const message = `Ingestion ${held.ingestionId} has no schedule, but a deployment.`;
  return { ...needless(held), kind: 'unscheduled', message };
}

function needless({ id, ingestionId, timetable, paused }: Ours): Omit<Drift, 'kind' | 'message'> {
  return { ingestionId, deploymentId: id, expected: null, found: { timetable, paused }, action: 'remove' };
}
