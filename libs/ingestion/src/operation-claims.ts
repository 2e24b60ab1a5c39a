import { randomUUID } from 'node:crypto';
import { Injectable, Logger } from '@nestjs/common';
import { Conflict, IngestionNotFound } from '@sluice/kernel';
import { rowsOf } from '@sluice/database';
import { DataSource, type EntityManager, type QueryDeepPartialEntity } from 'typeorm';
import { messageOf } from './faults';
import { Ingestion, type IngestionRow, type Operation, type RowChanges } from './ingestion.entity';
import { knownId } from './uuid';

/** Longer than the gateway's whole budget for an operation and its undoing; after it the reconciler takes the claim away. */
export const CLAIM_SECONDS = 30;

/** A call that was given up may still arrive in Prefect, up to so many seconds after. */
export const LATE_ARRIVAL_SECONDS = 15;

/** The right to operate on one ingestion, until it is released, expires, or the ingestion is deleted. */
export interface Claim {
  readonly operationId: string;
  readonly operation: Operation;
  /** The row as it was when the claim was taken. */
  readonly row: IngestionRow;
  /** Set it when Prefect may differ from the row: released with it, the reconciler brings Prefect to the row, at once and when no call can arrive any more. */
  driftSuspected: boolean;
}

const FREE = `(operation_id IS NULL OR operation_expires_at < now())`;
const CLEARED = `operation = NULL, operation_id = NULL, operation_expires_at = NULL`;
const LATE = `now() + make_interval(secs => ${LATE_ARRIVAL_SECONDS})`;

const SUSPECT = `UPDATE sluice_control.ingestion SET drift_suspected = true, late_calls_until = ${LATE} WHERE id = $1`;

const RELEASE = `
UPDATE sluice_control.ingestion SET ${CLEARED}, drift_suspected = drift_suspected OR $3,
  late_calls_until = CASE WHEN $3 THEN ${LATE} ELSE late_calls_until END
WHERE id = $1 AND operation_id = $2`;

/**
 * One operation on an ingestion at a time, across processes, without a transaction staying open: the claim is taken, used and
 * given back by compare-and-set on `operation_id`. A deletion does not ask: it takes the row away, and the loser notices.
 */
@Injectable()
export class OperationClaims {
  private readonly logger = new Logger(OperationClaims.name);

  constructor(private readonly dataSource: DataSource) {}

  /** Takes the claim, runs `work`, gives it back. Errors: `IngestionNotFound`, `Conflict`, and those of `work`. */
  async hold<T>(id: string, operation: Operation, work: (claim: Claim) => Promise<T>): Promise<T> {
    const claim = await this.take(id, operation);
    try {
      return await work(claim);
    } finally {
      await this.release(claim);
    }
  }

  async take(id: string, operation: Operation): Promise<Claim> {
    const operationId = randomUUID();
    const [row] = await rowsOf<IngestionRow>(
      this.dataSource,
      `UPDATE sluice_control.ingestion
       SET operation = $2, operation_id = $3, operation_expires_at = now() + make_interval(secs => $4),
         drift_suspected = drift_suspected OR (operation_id IS NOT NULL AND operation NOT IN ('trigger', 'forget'))
       WHERE id = $1 AND status <> 'provisioning' AND ${FREE} RETURNING *`,
      [knownId(id, (it) => new IngestionNotFound(it)), operation, operationId, CLAIM_SECONDS],
    );
    if (!row) throw await this.whyNot(id);
    return { operationId, operation, row, driftSuspected: false };
  }

  /** For an operation which lost its claim after it had spoken to Prefect: nobody knows whose word was the last. */
  async suspectDrift(id: string): Promise<void> {
    await this.dataSource.query(SUSPECT, [id]);
  }

  /**
   * Writes `changes` if the claim still holds, and keeps it. `null`: it does not; see `whyNot`.
   * `tx`: the transaction to write in.
   */
  async save(
    claim: Claim,
    changes: RowChanges,
    tx: EntityManager = this.dataSource.manager,
  ): Promise<IngestionRow | null> {
    const result = await tx
      .createQueryBuilder()
      .update(Ingestion)
      .set({ ...(changes as QueryDeepPartialEntity<Ingestion>), updated_at: () => 'now()' })
      .where('id = :id AND operation_id = :operationId', { id: claim.row.id, operationId: claim.operationId })
      .returning('*')
      .execute();
    return (result.raw as IngestionRow[])[0] ?? null;
  }

  /** The error of one who has not got or has lost the claim: `IngestionNotFound`, or `Conflict` while the ingestion exists. */
  async whyNot(id: string): Promise<Conflict | IngestionNotFound> {
    const [row] = await rowsOf<IngestionRow>(
      this.dataSource,
      `SELECT operation FROM sluice_control.ingestion WHERE id = $1 AND status <> 'provisioning'`,
      [id],
    );
    if (!row) return new IngestionNotFound(id);
    return new Conflict(
      `Another operation (${row.operation ?? 'just ended'}) on ingestion ${id} is under way. Try again in a moment.`,
    );
  }

  /** Never throws: a claim that cannot be given back expires. */
  private async release(claim: Claim): Promise<void> {
    try {
      await this.dataSource.query(RELEASE, [claim.row.id, claim.operationId, claim.driftSuspected]);
    } catch (error) {
      this.logger.warn(`Claim on ingestion ${claim.row.id} is left to expire: ${messageOf(error)}`);
    }
  }
}
