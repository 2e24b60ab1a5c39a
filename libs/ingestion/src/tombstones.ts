import { Injectable, Logger } from '@nestjs/common';
import { rowsOf, type SqlRunner } from '@sluice/database';
import { OrchestrationGateway } from '@sluice/orchestration-gateway';
import { DataSource } from 'typeorm';
import { messageOf } from './faults';

const FIRST_PAUSE_SECONDS = 5;
const LONGEST_PAUSE_SECONDS = 300;

/** Deployments that must still be removed from Prefect, because their ingestion does not exist (any more). */
@Injectable()
export class Tombstones {
  private readonly logger = new Logger(Tombstones.name);

  constructor(
    private readonly dataSource: DataSource,
    private readonly gateway: OrchestrationGateway,
  ) {}

  /** Repeatable. `afterSeconds`: not to be tried (and so not to be forgotten) before; for calls that may still arrive in Prefect. */
  async place(tx: SqlRunner, ingestionId: string, afterSeconds = 0): Promise<void> {
    await tx.query(
      `INSERT INTO sluice_control.tombstone (ingestion_id, next_attempt_at) VALUES ($1, now() + make_interval(secs => $2))
       ON CONFLICT (ingestion_id) DO UPDATE SET next_attempt_at = greatest(tombstone.next_attempt_at, excluded.next_attempt_at)`,
      [ingestionId, afterSeconds],
    );
  }

  /** The ones to be tried now, the longest waiting first. */
  async due(limit: number): Promise<string[]> {
    const rows = await rowsOf<{ ingestion_id: string }>(
      this.dataSource,
      `SELECT ingestion_id FROM sluice_control.tombstone WHERE next_attempt_at <= now() ORDER BY next_attempt_at, ingestion_id LIMIT $1`,
      [limit],
    );
    return rows.map((row) => row.ingestion_id);
  }

  /**
   * Removes the deployment and then the tombstone (unless that is not due yet); within `ms` milliseconds.
   * False: it did not work, and the next attempt waits longer. Never throws.
   */
  async sweep(ingestionId: string, ms: number): Promise<boolean> {
    try {
      await within(ms, (signal) => this.gateway.removeDeployment(ingestionId, signal));
      await this.forget(ingestionId);
      return true;
    } catch (error) {
      await this.postpone(ingestionId, messageOf(error)).catch(() => undefined);
      this.logger.warn(`Deployment of deleted ingestion ${ingestionId} is still to be removed: ${messageOf(error)}`);
      return false;
    }
  }

  private async forget(ingestionId: string): Promise<void> {
    await this.dataSource.query(
      `DELETE FROM sluice_control.tombstone WHERE ingestion_id = $1 AND next_attempt_at <= now()`,
      [ingestionId],
    );
  }

  private async postpone(ingestionId: string, reason: string): Promise<void> {
    await this.dataSource.query(
      `UPDATE sluice_control.tombstone SET attempts = attempts + 1, last_error = $2,
         next_attempt_at = greatest(next_attempt_at, now() + make_interval(secs => least($3 * 2 ^ least(attempts, 10), $4)))
       WHERE ingestion_id = $1`,
      [ingestionId, reason, FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS],
    );
  }
}

/** Gives up waiting after `ms`, even if the call does not obey its signal. */
export async function within<T>(ms: number, call: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const signal = AbortSignal.timeout(ms);
  const late = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(new Error(`no answer within ${ms} ms`)), { once: true });
  });
  return Promise.race([call(signal), late]);
}
