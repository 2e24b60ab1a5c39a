import { Injectable } from '@nestjs/common';
import { IngestionNotFound } from '@sluice/kernel';
import { rowsOf } from '@sluice/database';
import { DataSource } from 'typeorm';
import { IdempotencyKeys } from '../idempotency-keys';
import type { RunRow } from './run.entity';
import { RunStarter, type StartRequest } from './run-starter';
import type { Triggered } from '../views';

/** A start by hand as its caller asks for it. The key is unique for one operation on one ingestion. */
export interface KeyedStart {
  operation: string;
  ingestionId: string;
  body: unknown;
  idempotencyKey: string | undefined;
}

/** Starts of runs that their callers may repeat: with one Idempotency-Key there is one run. */
@Injectable()
export class KeyedStarts {
  constructor(
    private readonly dataSource: DataSource,
    private readonly keys: IdempotencyKeys,
    private readonly starter: RunStarter,
  ) {}

  /** `request` says what to start, or refuses to; it is not asked when the run is there already. */
  once(start: KeyedStart, request: () => Promise<StartRequest>): Promise<Triggered> {
    const { operation, ingestionId, body, idempotencyKey: key } = start;
    return this.keys.once<Triggered>(
      { operation: `${operation}:${ingestionId}`, key, body },
      {
        make: async (hold) => this.starter.start(ingestionId, { ...(await request()), hold }),
        made: (runId) => this.made(ingestionId, runId),
      },
    );
  }

  /** A run that waits unsent is what a process left that died: it is sent now. One that ended unsent never runs. */
  private async made(ingestionId: string, runId: string): Promise<Triggered | null> {
    const [found] = await rowsOf<Found>(this.dataSource, FIND, [ingestionId, runId]);
    if (!found) throw new IngestionNotFound(ingestionId);
    if (found.flow_run_id !== null) return { run_id: runId, flow_run_id: found.flow_run_id };
    return found.status === 'queued' ? this.starter.send(ingestionId, runId) : null;
  }
}

const FIND = `
SELECT r.status, r.flow_run_id FROM sluice_control.ingestion i LEFT JOIN sluice_control.run r ON r.id = $2 AND r.ingestion_id = i.id
WHERE i.id = $1 AND i.status <> 'provisioning'`;

interface Found {
  status: RunRow['status'] | null;
  flow_run_id: string | null;
}
