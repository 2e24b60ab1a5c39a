import { Injectable } from '@nestjs/common';
import { rowsOf } from '@sluice/database';
import { DataSource } from 'typeorm';
import type { Operation } from '../ingestion.entity';
import type { ReconcilerStep } from './step';

/** An expired creation leaves nothing but a tombstone: its deployment may have been made. */
const PROVISIONING = `
WITH gone AS (
  DELETE FROM sluice_control.ingestion WHERE status = 'provisioning' AND operation_expires_at < now() RETURNING id
), buried AS (
  INSERT INTO sluice_control.tombstone (ingestion_id) SELECT id FROM gone ON CONFLICT DO NOTHING
)
SELECT id FROM gone`;

/** Any other operation that never ended may have changed Prefect, except those which leave the deployment alone. */
const CLAIMS = `
UPDATE sluice_control.ingestion i
SET operation = NULL, operation_id = NULL, operation_expires_at = NULL,
  drift_suspected = i.drift_suspected OR old.operation NOT IN ('trigger', 'forget')
FROM (SELECT id, operation, operation_id FROM sluice_control.ingestion
      WHERE status <> 'provisioning' AND operation_expires_at < now()) AS old
WHERE i.id = old.id AND i.operation_id = old.operation_id
RETURNING i.id, old.operation`;

/** Operations whose process died, or lost the database, before it could end them. */
@Injectable()
export class ExpiredClaims implements ReconcilerStep {
  readonly name = 'expired claims';

  constructor(private readonly dataSource: DataSource) {}

  async run(): Promise<string[]> {
    const gone = await rowsOf<{ id: string }>(this.dataSource, PROVISIONING);
    const freed = await rowsOf<{ id: string; operation: Operation }>(this.dataSource, CLAIMS);
    return [
      ...gone.map(({ id }) => `Removed ingestion ${id}, whose creation never ended`),
      ...freed.map(({ id, operation }) => `Freed ingestion ${id} from the operation ${operation}, which never ended`),
    ];
  }
}
