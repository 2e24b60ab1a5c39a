import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { DestinationAdmin, DestinationError, type LedgerEntry, type RejectedRow } from '@sluice/connectors';
import { CONFIG, type Config, DestinationUnavailable } from '@sluice/kernel';
import type { IngestionRow } from './ingestion.entity';

type Here = Pick<IngestionRow, 'id' | 'destination'>;

/** A page of the rows left out: `after` is the id of the last one before it. */
export interface RejectedRowsRequest {
  runId?: string;
  path?: string;
  after: string | null;
  limit: number;
}

/** What lies in the destination on account of an ingestion, beside its runs. Connects when it is first needed. Errors: `DestinationUnavailable`. */
@Injectable()
export class LoadedData implements OnApplicationShutdown {
  private readonly admin: DestinationAdmin;

  constructor(@Inject(CONFIG) config: Config) {
    this.admin = new DestinationAdmin(config.DESTINATION_URL);
  }

  /** The ledger of the ingestion goes; `confirm`: even if its table holds rows. */
  forget(row: Here, confirm: boolean): Promise<'forgotten' | 'table_not_empty' | 'run_active'> {
    return reached(this.admin.forget(row.id, tableOf(row), { confirm }));
  }

  /**
   * The table goes, if Sluice made it, whoever is writing into it for this ingestion; repeatable. `beforeCommit`: done when nothing but the
   * destination's commit is left to do; what it raises is raised, and nothing is dropped.
   */
  async dropTable(row: Here, beforeCommit?: () => Promise<void>): Promise<'dropped' | 'not_ours' | 'missing'> {
    const refusals: unknown[] = [];
    const lastStep = () =>
      (beforeCommit?.() ?? Promise.resolve()).catch((error: unknown) => {
        refusals.push(error);
        throw error;
      });
    try {
      return await reached(this.admin.dropTable(row.id, tableOf(row), lastStep));
    } catch (error) {
      // The destination takes it for a fault of its own.
      throw refusals[0] ?? error;
    }
  }

  /** Whoever writes for this run is ended and commits nothing any more. False: it has no lease. */
  endRun(ingestionId: string, runId: string): Promise<boolean> {
    return reached(this.admin.endRun(ingestionId, runId));
  }

  rejectedRows(ingestionId: string, request: RejectedRowsRequest): Promise<RejectedRow[]> {
    return reached(this.admin.rejectedRows(ingestionId, request));
  }

  /** What the ledger holds, in the order of load ids, after the load `after`. */
  ledgerSince(ingestionId: string, after: string | null, limit: number): Promise<LedgerEntry[]> {
    return reached(this.admin.ledgerSince(ingestionId, after, limit));
  }

  async onApplicationShutdown(): Promise<void> {
    await this.admin.close();
  }
}

function tableOf({ destination: { schema, table } }: Here): { schema: string; table: string } {
  return { schema, table };
}

async function reached<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof DestinationError)) throw error;
    throw new DestinationUnavailable(`The destination could not be used: ${error.message}`, { cause: error });
  }
}
