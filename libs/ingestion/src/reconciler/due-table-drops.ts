import { Injectable } from '@nestjs/common';
import { TableDrops } from '../table-drops';
import { type ReconcilerStep, untilStopped } from './step';

const A_FEW = 5;

/** Tables that outlived the ingestions they were to go with. Prefect is not needed. */
@Injectable()
export class DueTableDrops implements ReconcilerStep {
  readonly name = 'table drops';

  constructor(private readonly drops: TableDrops) {}

  async run(stop?: AbortSignal): Promise<string[]> {
    const done: string[] = [];
    for (const row of untilStopped(await this.drops.due(A_FEW), stop)) {
      const { schema, table } = row.destination;
      if (await this.drops.carryOut(row)) done.push(`Dropped table ${schema}.${table} of deleted ingestion ${row.id}`);
    }
    return done;
  }
}
