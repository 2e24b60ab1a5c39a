import { randomUUID } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config, ValueError } from '@sluice/kernel';
import { rowsOf, type SqlRunner } from '@sluice/database';
import { DataSource } from 'typeorm';
import { newestAfter, newestKey, pageLimit, pageOf } from '../page';
import { oneOf } from '../rules/refuse';
import { storedJson } from '../stored-json';
import { knownId } from '../uuid';
import type { EventView, ListEvents, Page } from '../views';
import { EVENT_KINDS, type NewEvent, TOLD_WITHIN_SECONDS } from './event';

const INSERT = `INSERT INTO sluice_control.event (id, kind, ingestion_id, message, facts) VALUES ($1, $2, $3, $4, $5)`;

const LIST = `
SELECT id, kind, ingestion_id, message, facts, created_at, attempts, delivered_at, last_error,
  CASE WHEN delivered_at IS NOT NULL THEN 'delivered' WHEN $6::boolean IS FALSE THEN 'off'
    WHEN created_at > now() - make_interval(secs => ${TOLD_WITHIN_SECONDS}) THEN 'pending'
    WHEN attempts > 0 THEN 'given_up' ELSE 'off' END AS delivery
FROM sluice_control.event
WHERE ($1::uuid IS NULL OR ingestion_id = $1) AND ($2::text IS NULL OR kind = $2)
  AND ($3::timestamptz IS NULL OR (created_at, id) < ($3, $4::uuid))
ORDER BY created_at DESC, id DESC LIMIT $5`;

/** What somebody should hear of. An event outlives its ingestion; after a while it is removed. */
@Injectable()
export class Events {
  constructor(
    private readonly dataSource: DataSource,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** `tx`: the transaction of what the event tells, so that neither is without the other. */
  async record(tx: SqlRunner, { kind, ingestionId, message, facts }: NewEvent): Promise<void> {
    await tx.query(INSERT, [randomUUID(), kind, ingestionId, message, storedJson(facts)]);
  }

  /** Newest first. Errors: `ValueError` (limit, cursor, ingestion_id, kind). */
  async list(request: ListEvents = {}): Promise<Page<EventView>> {
    const limit = pageLimit(request);
    const of = request.ingestion_id === undefined ? null : knownId(request.ingestion_id, wrongIngestion);
    const kind = request.kind === undefined ? null : oneOf('kind', request.kind, EVENT_KINDS);
    const parameters = [of, kind, ...newestAfter(request), limit + 1, this.config.SLUICE_WEBHOOK_URL !== undefined];
    return pageOf(await rowsOf<EventView>(this.dataSource, LIST, parameters), limit, newestKey);
  }
}

function wrongIngestion(id: string): ValueError {
  return new ValueError(
    `ingestion_id ${JSON.stringify(id)} is not a UUID. Give the id of an ingestion.`,
    'ingestion_id',
  );
}
