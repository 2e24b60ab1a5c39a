import { Injectable } from '@nestjs/common';
import { Conflict } from '@sluice/kernel';
import { DataSource } from 'typeorm';
import { ActiveRuns } from './runs/active-runs';
import type { IngestionRow } from './ingestion.entity';
import { LoadedData } from './loaded-data';
import { OperationClaims } from './operation-claims';

/** Forgets which files were loaded: the ledger, which decides, and then its mirror. Repeatable. */
@Injectable()
export class FileHistory {
  constructor(
    private readonly dataSource: DataSource,
    private readonly claims: OperationClaims,
    private readonly active: ActiveRuns,
    private readonly data: LoadedData,
  ) {}

  /** `confirm`: although the next run will load all files again, beside the rows that are there. */
  async forget(ingestionId: string, confirm: boolean): Promise<void> {
    await this.claims.hold(ingestionId, 'forget', async ({ row }) => {
      await this.active.assertNoneKnown(row.id);
      const answer = await this.data.forget(row, confirm);
      if (answer !== 'forgotten') throw refused(answer, row);
      await this.dataSource.query(`DELETE FROM sluice_control.processed_file WHERE ingestion_id = $1`, [row.id]);
    });
  }
}

function refused(answer: 'table_not_empty' | 'run_active', { id, destination }: IngestionRow): Conflict {
  if (answer === 'run_active') {
    return new Conflict(`A run of ingestion ${id} is writing. Wait for its end or cancel it, then try again.`);
  }
  const table = `${destination.schema}.${destination.table}`;
  return new Conflict(
    `Table ${table} holds rows, and without the history the next run would load all files again beside them. Empty the table first, or add ?confirm=true.`,
  );
}
