import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '@sluice/kernel';
import { rowsOf } from '@sluice/database';
import { DataSource, type EntityManager } from 'typeorm';
import type { EventKind } from '../events/event';
import { Events } from '../events/events';
import type { ReconcilerStep } from './step';

const PER_PASS = 50;
const LONGEST_REASON = 1_000;

const LAST = `
LATERAL (SELECT r.id AS run_id, r.errors->0->>'message' AS said FROM sluice_control.run r
  WHERE r.ingestion_id = due.id AND r.status IN ('failed', 'crashed') ORDER BY r.created_at DESC, r.id DESC LIMIT 1) AS last`;

const WARN = `
WITH due AS (
  SELECT id FROM sluice_control.ingestion
  WHERE consecutive_failures >= $1 AND NOT failing_warned ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED)
UPDATE sluice_control.ingestion i SET failing_warned = true
FROM due LEFT JOIN ${LAST} ON true WHERE i.id = due.id
RETURNING i.id, i.name, i.consecutive_failures AS failures, last.run_id, last.said`;

/** Only who has no operation under way, which would not expect it. Its deployment follows as that of any row that Prefect differs from. */
const PAUSE = `
WITH due AS (
  SELECT id FROM sluice_control.ingestion
  WHERE consecutive_failures >= $1 AND status = 'active' AND (operation_id IS NULL OR operation_expires_at < now())
  ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED)
UPDATE sluice_control.ingestion i SET status = 'error', drift_suspected = true, updated_at = now(),
  error_reason = format('%s runs in a row have failed. The last said: %s', i.consecutive_failures,
    left(coalesce(last.said, 'nothing'), ${LONGEST_REASON}))
FROM due LEFT JOIN ${LAST} ON true WHERE i.id = due.id
RETURNING i.id, i.name, i.consecutive_failures AS failures, last.run_id, last.said`;

interface Failing {
  id: string;
  name: string;
  failures: number;
  run_id: string | null;
  said: string | null;
}

/** Ingestions whose runs fail one after the other: first an event tells of it, then they pause themselves. */
@Injectable()
export class FailureStreaks implements ReconcilerStep {
  readonly name = 'failure streaks';

  constructor(
    private readonly dataSource: DataSource,
    private readonly events: Events,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  async run(): Promise<string[]> {
    const { SLUICE_WARN_AFTER_FAILURES: warn, SLUICE_PAUSE_AFTER_FAILURES: pause } = this.config;
    const warned = await this.dataSource.transaction((tx) => this.mark(tx, WARN, warn, 'failing'));
    const paused = await this.dataSource.transaction((tx) => this.mark(tx, PAUSE, pause, 'paused_by_failures'));
    return [
      ...warned.map(({ id, failures }) => `Warned of ingestion ${id}: ${failures} runs in a row have failed`),
      ...paused.map(({ id, failures }) => `Paused ingestion ${id}: ${failures} runs in a row have failed`),
    ];
  }

  /** `after` 0: never. */
  private async mark(tx: EntityManager, sql: string, after: number, kind: EventKind): Promise<Failing[]> {
    if (after === 0) return [];
    const found = await rowsOf<Failing>(tx, sql, [after, PER_PASS]);
    for (const failing of found) await this.events.record(tx, eventOf(kind, failing));
    return found;
  }
}

const FOLLOWS: Partial<Record<EventKind, string>> = {
  paused_by_failures: ' It has paused itself. Mend the cause and resume it.',
};

function eventOf(kind: EventKind, { id, name, failures, run_id, said }: Failing) {
  const last_error = said?.slice(0, LONGEST_REASON) ?? null;
  const message = `${failures} runs in a row of ingestion "${name}" have failed.${FOLLOWS[kind] ?? ''} The last said: ${last_error ?? 'nothing'}`;
  const facts = { ingestion_name: name, consecutive_failures: failures, last_run_id: run_id, last_error };
  return { kind, ingestionId: id, message, facts };
}
