import { Injectable, Logger } from '@nestjs/common';
import { OrchestrationUnavailable } from '@sluice/kernel';
import { rowsOf } from '@sluice/database';
import { OrchestrationGateway } from '@sluice/orchestration-gateway';
import { DataSource } from 'typeorm';
import { messageOf } from '../faults';
import { type ReconcilerStep, untilStopped } from './step';

const A_FEW = 5;
/** From the first look to the second, which removes. */
const LOOKS_APART_SECONDS = 20;

const DUE = `
SELECT deployment_id, ingestion_id FROM sluice_control.orphan
WHERE first_seen_at <= now() - make_interval(secs => $1)
  AND (forced OR NOT EXISTS (SELECT FROM sluice_control.installation WHERE alarm IS NOT NULL))
ORDER BY first_seen_at, deployment_id LIMIT $2`;

/** Whatever became known meanwhile is not for us. */
const KNOWN = `
SELECT 1 FROM sluice_control.ingestion WHERE id = $1 UNION ALL SELECT 1 FROM sluice_control.tombstone WHERE ingestion_id = $1`;

const LATER = `UPDATE sluice_control.orphan SET first_seen_at = now() WHERE deployment_id = $1`;

interface Orphan {
  deployment_id: string;
  ingestion_id: string;
}

/** Deployments of ours that had no ingestion some time ago, and have none now. While the alarm is on only those that a person condemned. */
@Injectable()
export class DueOrphans implements ReconcilerStep {
  readonly name = 'orphans';
  private readonly logger = new Logger(DueOrphans.name);

  constructor(
    private readonly dataSource: DataSource,
    private readonly gateway: OrchestrationGateway,
  ) {}

  async run(stop?: AbortSignal): Promise<string[]> {
    if (!this.gateway.initialized) return [];
    const due = await rowsOf<Orphan>(this.dataSource, DUE, [LOOKS_APART_SECONDS, A_FEW]);
    const done: string[] = [];
    for (const orphan of untilStopped(due, stop)) {
      if (await this.tryRemoving(orphan, stop))
        done.push(`Removed deployment ingestion-${orphan.ingestion_id}, which had no ingestion`);
    }
    return done;
  }

  /** One that cannot be removed is looked at again later, and does not stand before the others. Errors: `OrchestrationUnavailable`. */
  private async tryRemoving(orphan: Orphan, stop?: AbortSignal): Promise<boolean> {
    try {
      return await this.remove(orphan, stop);
    } catch (error) {
      if (error instanceof OrchestrationUnavailable) throw error;
      this.logger.warn(`Deployment ingestion-${orphan.ingestion_id} cannot be removed: ${messageOf(error)}`);
      await this.dataSource.query(LATER, [orphan.deployment_id]);
      return false;
    }
  }

  private async remove(orphan: Orphan, stop?: AbortSignal): Promise<boolean> {
    const isOrphan = await this.isStill(orphan);
    if (stop?.aborted) return false;
    if (isOrphan) await this.gateway.removeDeployment(orphan.ingestion_id);
    await this.dataSource.query('DELETE FROM sluice_control.orphan WHERE deployment_id = $1', [orphan.deployment_id]);
    return isOrphan;
  }

  /** Prefect first: whoever creates has a row before there is a deployment. */
  private async isStill({ deployment_id, ingestion_id }: Orphan): Promise<boolean> {
    const [held] = await this.gateway.deploymentsOf([ingestion_id]);
    if (held?.id !== deployment_id || held.owner !== 'ours') return false;
    return (await rowsOf(this.dataSource, KNOWN, [ingestion_id])).length === 0;
  }
}
