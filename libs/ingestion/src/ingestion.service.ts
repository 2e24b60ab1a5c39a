import { Injectable } from '@nestjs/common';
import { IngestionChange } from './ingestion-change';
import { IngestionCreation } from './ingestion-creation';
import { IngestionReads } from './ingestion-reads';
import { IngestionRemoval } from './ingestion-removal';
import type { CreateIngestion, RefreshInput, RetryInput, TriggerInput, UpdateIngestion } from './inputs';
import { ManualRuns, type RefreshScope } from './runs/manual-runs';
import type { IngestionView, ListIngestions, Page, RefreshEstimate, Triggered } from './views';

/**
 * With the same `idempotencyKey` a call may be repeated for 24 h: what it made is answered, and made once. `Conflict`: the key came with another
 * body, its first call is still under way, or what it made is gone. A key whose call failed is free again.
 */
export interface Repetition {
  idempotencyKey?: string | undefined;
}

/** The use cases of an ingestion, each with the order of steps that keeps the control database and Prefect in agreement. */
@Injectable()
export class IngestionService {
  constructor(
    private readonly creation: IngestionCreation,
    private readonly change: IngestionChange,
    private readonly removal: IngestionRemoval,
    private readonly manual: ManualRuns,
    private readonly reads: IngestionReads,
  ) {}

  /**
   * Errors: `ValueError`, `NameTaken`, `Conflict`, `OrchestrationUnavailable`.
   * A repeated `idempotencyKey` with the same body answers the ingestion made the first time, as it is now.
   */
  async createIngestion(input: CreateIngestion, options: Repetition = {}): Promise<IngestionView> {
    return this.reads.view(await this.creation.create(input, options.idempotencyKey));
  }

  /** Errors: `ValueError`, `NameTaken`, `IngestionNotFound`, `Conflict`, `OrchestrationUnavailable` (only for a really changed schedule). */
  async updateIngestion(id: string, input: UpdateIngestion): Promise<IngestionView> {
    return this.reads.view(await this.change.update(id, input));
  }

  /** Repeatable. Errors: `IngestionNotFound`, `Conflict`, `OrchestrationUnavailable`. */
  async pauseIngestion(id: string): Promise<IngestionView> {
    return this.reads.view(await this.change.pause(id));
  }

  /** Repeatable. Errors: `IngestionNotFound`, `Conflict`, `OrchestrationUnavailable`. */
  async resumeIngestion(id: string): Promise<IngestionView> {
    return this.reads.view(await this.change.resume(id));
  }

  /**
   * Needs no Prefect and wins over any operation under way. `dropTable` (default false): with its table, if Sluice made it.
   * Errors: `IngestionNotFound`; with `dropTable` also `Conflict` and `DestinationUnavailable`, and then nothing is deleted.
   */
  deleteIngestion(id: string, { dropTable = false }: { dropTable?: boolean } = {}): Promise<void> {
    return this.removal.remove(id, { dropTable });
  }

  /** Errors: `ValueError` (no deployment, a wrong limit), `IngestionNotFound`, `RunActive`, `Conflict`, `OrchestrationUnavailable` (then it will not run). */
  triggerManualRun(id: string, body?: TriggerInput, options: Repetition = {}): Promise<Triggered> {
    return this.manual.trigger(id, body, options.idempotencyKey);
  }

  /** A dry run answers what would happen. Errors: as `triggerManualRun`; `ValueError` (not confirmed), `Conflict` (the table is shared). */
  refresh(
    id: string,
    scope: RefreshScope,
    body?: RefreshInput,
    options: Repetition = {},
  ): Promise<Triggered | RefreshEstimate> {
    return this.manual.refresh(id, scope, body, options.idempotencyKey);
  }

  /** Failed and quarantined files, all or some. Errors: as `triggerManualRun`; `ValueError` (none, or not one that failed). */
  retryFiles(id: string, body?: RetryInput, options: Repetition = {}): Promise<Triggered> {
    return this.manual.retry(id, body, options.idempotencyKey);
  }

  /** Errors: `IngestionNotFound`. */
  getIngestion(id: string): Promise<IngestionView> {
    return this.reads.get(id);
  }

  /** Newest first. Errors: `ValueError` (limit, cursor, status). */
  listIngestions(request: ListIngestions = {}): Promise<Page<IngestionView>> {
    return this.reads.list(request);
  }
}
