import { Injectable } from '@nestjs/common';
import { rowsOf } from '@sluice/database';
import { DataSource } from 'typeorm';
import type { Drift } from './drift';

const AT_MOST = 200;

const EXPIRED = `
SELECT id, status, operation FROM sluice_control.ingestion
WHERE operation IS NOT NULL AND operation_expires_at < now() ORDER BY operation_expires_at, id LIMIT $1`;

const BURIED = `
SELECT ingestion_id, attempts, last_error FROM sluice_control.tombstone ORDER BY created_at, ingestion_id LIMIT $1`;

/** What the control database itself knows to be undone: operations whose process died, deployments still to be removed. */
@Injectable()
export class UnfinishedBusiness {
  constructor(private readonly dataSource: DataSource) {}

  async find(): Promise<Drift[]> {
    const expired = await rowsOf<Expired>(this.dataSource, EXPIRED, [AT_MOST]);
    const buried = await rowsOf<Buried>(this.dataSource, BURIED, [AT_MOST]);
    return [...expired.map(unfinished), ...buried.map(tombstone)];
  }
}

interface Expired {
  id: string;
  status: string;
  operation: string;
}

interface Buried {
  ingestion_id: string;
  attempts: number;
  last_error: string | null;
}

function unfinished({ id, status, operation }: Expired): Drift {
  const of = { ingestionId: id, deploymentId: null, expected: null, found: { operation } };
  if (status === 'provisioning')
    return {
      ...{ ...of, kind: 'unfinished_creation', action: 'remove' },
      message: `The creation of ingestion ${id} never ended.`,
    };
  const message = `Ingestion ${id} is held by the operation ${operation}, which never ended.`;
  return { ...of, kind: 'unfinished_operation', action: 'release', message };
}

function tombstone({ ingestion_id, attempts, last_error }: Buried): Drift {
  return {
    ...{ kind: 'tombstone', ingestionId: ingestion_id, deploymentId: null, action: 'remove' },
    expected: null,
    found: { attempts, last_error },
    message: `The deployment of deleted ingestion ${ingestion_id} is still to be removed.`,
  };
}
