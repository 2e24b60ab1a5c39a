import { Injectable } from '@nestjs/common';
import { rowsOf } from '@sluice/database';
import { DataSource, type EntityManager } from 'typeorm';
import type { NewEvent } from '../events/event';
import { Events } from '../events/events';
import { IS_STALE_SQL, STALE_FROM_SQL, WATCHED_SQL } from '../freshness';
import type { ReconcilerStep } from './step';

const PER_PASS = 50;

const MARK = `
UPDATE sluice_control.ingestion SET stale_since = ${STALE_FROM_SQL} WHERE id IN (
  SELECT id FROM sluice_control.ingestion WHERE stale_since IS NULL AND quality->>'max_age_seconds' IS NOT NULL AND ${IS_STALE_SQL}
  ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED)
RETURNING id, name, fresh_at, stale_since, (quality->>'max_age_seconds')::float8 AS max_age_seconds, true AS watched`;

const CLEAR = `
WITH old AS (
  SELECT id, stale_since, ${WATCHED_SQL} AS watched FROM sluice_control.ingestion WHERE stale_since IS NOT NULL AND NOT ${IS_STALE_SQL}
  ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED)
UPDATE sluice_control.ingestion i SET stale_since = NULL FROM old WHERE i.id = old.id
RETURNING i.id, i.name, i.fresh_at, old.stale_since, (i.quality->>'max_age_seconds')::float8 AS max_age_seconds, old.watched`;

interface Turned {
  id: string;
  name: string;
  fresh_at: Date;
  stale_since: Date;
  max_age_seconds: number | null;
  watched: boolean;
}

/** Ingestions whose data has become older than they allow, or is fresh again: one event each time. */
@Injectable()
export class FreshnessWatch implements ReconcilerStep {
  readonly name = 'freshness';

  constructor(
    private readonly dataSource: DataSource,
    private readonly events: Events,
  ) {}

  async run(): Promise<string[]> {
    const stale = await this.dataSource.transaction((tx) => this.turn(tx, MARK, staleEvent));
    const fresh = await this.dataSource.transaction((tx) => this.turn(tx, CLEAR, freshEvent));
    return [
      ...stale.map(({ id }) => `The data of ingestion ${id} is stale`),
      ...fresh.map(
        ({ id, watched }) => `The data of ingestion ${id} is ${watched ? 'fresh again' : 'not watched now'}`,
      ),
    ];
  }

  private async turn(tx: EntityManager, sql: string, eventOf: (turned: Turned) => NewEvent): Promise<Turned[]> {
    const turned = await rowsOf<Turned>(tx, sql, [PER_PASS]);
    for (const one of turned) await this.events.record(tx, eventOf(one));
    return turned;
  }
}

function staleEvent(it: Turned): NewEvent {
  const message = `No run of ingestion "${it.name}" was a success with no file missing since ${it.fresh_at.toISOString()}: its data is older than ${it.max_age_seconds} s.`;
  return { kind: 'stale', ingestionId: it.id, message, facts: factsOf(it) };
}

function freshEvent(it: Turned): NewEvent {
  const now = it.watched ? 'is fresh again' : 'is not watched any more (paused, without a schedule or without a limit)';
  const because = it.watched ? 'fresh' : 'not_watched';
  const message = `The data of ingestion "${it.name}", stale since ${it.stale_since.toISOString()}, ${now}.`;
  return { kind: 'fresh', ingestionId: it.id, message, facts: { ...factsOf(it), because } };
}

function factsOf({ name, fresh_at, stale_since, max_age_seconds }: Turned): Record<string, unknown> {
  return { ingestion_name: name, fresh_at, stale_since, max_age_seconds };
}
