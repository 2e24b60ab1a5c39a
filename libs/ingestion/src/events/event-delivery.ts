import { Inject, Injectable, Logger, type OnModuleDestroy } from '@nestjs/common';
import { CONFIG, type Config } from '@sluice/kernel';
import { rowsOf } from '@sluice/database';
import { DataSource } from 'typeorm';
import { messageOf } from '../faults';
import type { ReconcilerStep } from '../reconciler/step';
import { TOLD_WITHIN_SECONDS } from './event';
import { post } from './webhook';

const AT_ONCE = 10;
/** Seconds before the second attempt; each further pause is twice as long, an hour at most, a quarter more or less by chance. */
const FIRST_PAUSE = 5;
const LONGEST_PAUSE = 3_600;

/**
 * The next attempt is written before this one is made: whoever dies meanwhile has only delayed it, and two processes never make the same one.
 * Of events that fell due together the newest come last.
 */
const TAKE = `
UPDATE sluice_control.event SET attempts = attempts + 1,
  next_attempt_at = now() + make_interval(secs => least($2 * 2 ^ least(attempts, 20), $3) * (0.75 + random() / 2))
WHERE id IN (
  SELECT id FROM sluice_control.event
  WHERE delivered_at IS NULL AND created_at > now() - make_interval(secs => $4)
    AND next_attempt_at BETWEEN now() - make_interval(secs => $4) AND now()
  ORDER BY next_attempt_at, created_at, id LIMIT $1 FOR UPDATE SKIP LOCKED)
RETURNING id, kind, ingestion_id, message, facts, created_at, attempts`;

const DELIVERED = `UPDATE sluice_control.event SET delivered_at = now(), last_error = NULL WHERE id = $1`;
const FAILED = `UPDATE sluice_control.event SET last_error = $2 WHERE id = $1 AND delivered_at IS NULL`;

interface Due {
  id: string;
  kind: string;
  ingestion_id: string | null;
  message: string;
  facts: Record<string, unknown>;
  created_at: Date;
  attempts: number;
}

/**
 * Sends events to the webhook, each at least once and in no order that could be relied on, until it is taken or a day old. Goes on beside the
 * other steps of the reconciler: a receiver that hangs holds up nobody.
 */
@Injectable()
export class EventDelivery implements ReconcilerStep, OnModuleDestroy {
  readonly name = 'events';
  /** Attempts that this process has made. */
  readonly counts = { delivered: 0, failed: 0 };
  private readonly logger = new Logger(EventDelivery.name);
  private readonly stop = new AbortController();
  private underWay: Promise<void> | undefined;

  constructor(
    private readonly dataSource: DataSource,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** Whether there is somewhere to send them to. */
  get isOn(): boolean {
    return this.config.SLUICE_WEBHOOK_URL !== undefined;
  }

  /** Begins a delivery, unless one is still under way. */
  run(): Promise<string[]> {
    if (this.isOn && !this.stop.signal.aborted) this.begin();
    return Promise.resolve([]);
  }

  /** Until what is under way has ended. */
  async idle(): Promise<void> {
    await this.underWay;
  }

  async onModuleDestroy(): Promise<void> {
    this.stop.abort();
    await this.idle();
  }

  private begin(): void {
    this.underWay ??= this.deliver()
      .catch((error: unknown) => this.logger.warn(`Events are still to be sent: ${messageOf(error)}`))
      .finally(() => (this.underWay = undefined));
  }

  private async deliver(): Promise<void> {
    const parameters = [AT_ONCE, FIRST_PAUSE, LONGEST_PAUSE, TOLD_WITHIN_SECONDS];
    const due = await rowsOf<Due>(this.dataSource, TAKE, parameters);
    await Promise.all(due.map((event) => this.send(event)));
  }

  private async send(event: Due): Promise<void> {
    const { SLUICE_WEBHOOK_URL: url, SLUICE_WEBHOOK_SECRET: key } = this.config;
    if (!url) return;
    const failure = await post(url, key, { id: event.id, body: bodyOf(event) }, this.stop.signal);
    this.counts[failure === null ? 'delivered' : 'failed'] += 1;
    if (failure === null) return void (await this.dataSource.query(DELIVERED, [event.id]));
    await this.dataSource.query(FAILED, [event.id, failure]);
    this.logger.warn(`Event ${event.id} (${event.kind}) was not taken at attempt ${event.attempts}: ${failure}`);
  }
}

/** The same at each attempt. */
function bodyOf({ id, kind, ingestion_id, message, facts, created_at }: Due): string {
  const data = { id, ingestion_id, message, facts };
  return JSON.stringify({ type: kind, timestamp: created_at.toISOString(), data });
}
