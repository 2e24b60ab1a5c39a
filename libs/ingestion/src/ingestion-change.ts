import { Injectable } from '@nestjs/common';
import { NameTaken } from '@sluice/kernel';
import { rowsOf } from '@sluice/database';
import { DataSource } from 'typeorm';
import { Agreement } from './agreement';
import { DeploymentSteps } from './deployment-steps';
import { Drafting } from './drafting';
import { SENTENCE } from './faults';
import { DATABASE_NOW, type IngestionRow, type RowChanges } from './ingestion.entity';
import type { UpdateIngestion } from './inputs';
import { OperationClaims } from './operation-claims';
import { ticksFromNow } from './runs/ticks-seen';
import { assertKeysKnown, assertTypesReadable } from './rules';

/** Updates, pauses and resumes. */
@Injectable()
export class IngestionChange {
  constructor(
    private readonly dataSource: DataSource,
    private readonly claims: OperationClaims,
    private readonly agreement: Agreement,
    private readonly steps: DeploymentSteps,
    private readonly drafting: Drafting,
  ) {}

  async update(id: string, input: UpdateIngestion): Promise<IngestionRow> {
    const changes = this.drafting.changes(id, input);
    return this.claims.hold(id, 'update', async (claim) => {
      if (changes.name !== undefined) await this.assertFree(changes.name, id);
      const { destination, format, schema } = { ...claim.row, ...changes };
      if (changes.schema) assertKeysKnown(destination, schema);
      if (changes.schema ?? changes.format) assertTypesReadable(format, schema);
      const { schedule, name = claim.row.name } = changes;
      const step = schedule === undefined ? null : this.steps.forSchedule(claim.row, { name, schedule });
      return this.agreement.change(claim, step ? { ...changes, ...ticksFromNow() } : changes, step, SENTENCE.update);
    });
  }

  pause(id: string): Promise<IngestionRow> {
    return this.claims.hold(id, 'pause', (claim) =>
      this.agreement.change(
        claim,
        { status: 'paused', error_reason: null },
        this.steps.forPause(claim.row, true),
        SENTENCE.pause,
      ),
    );
  }

  resume(id: string): Promise<IngestionRow> {
    return this.claims.hold(id, 'resume', (claim) => {
      return this.agreement.change(claim, resumed(claim.row), this.steps.forPause(claim.row, false), SENTENCE.resume);
    });
  }

  /** Before Prefect is touched; the unique index decides in the end. */
  private async assertFree(name: string, id: string): Promise<void> {
    const sql = `SELECT 1 FROM sluice_control.ingestion WHERE name = $1 AND id <> $2`;
    if ((await rowsOf(this.dataSource, sql, [name, id])).length > 0) throw new NameTaken(name);
  }
}

/** Failures are counted anew, and so is the age of its data, unless nothing had stood still. */
function resumed(row: IngestionRow): RowChanges {
  const status = row.schedule ? 'active' : 'draft';
  const anew = { status, error_reason: null, consecutive_failures: 0, failing_warned: false } as const;
  return row.status === status ? anew : { ...anew, fresh_at: DATABASE_NOW, ...ticksFromNow() };
}
