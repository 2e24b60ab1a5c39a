import { Injectable } from '@nestjs/common';
import type { CreateIngestion, TriggerInput, UpdateIngestion } from './inputs';
import type { IngestionView, ListIngestions, Page, Triggered } from './views';

/** The use cases of an ingestion, each with the order of steps that keeps the control database and Prefect in agreement. */
@Injectable()
export class IngestionService {
  /**
   * Errors: `ValueError`, `NameTaken`, `Conflict` (same `idempotencyKey` for another body, or still under way), `OrchestrationUnavailable`.
   * A repeated `idempotencyKey` with the same body answers the ingestion made the first time, as long as it exists.
   */
  createIngestion(_input: CreateIngestion, _options?: { idempotencyKey?: string | undefined }): Promise<IngestionView> {
    throw new Error('contract');
  }

  /** Errors: `ValueError`, `NameTaken`, `IngestionNotFound`, `Conflict`, `OrchestrationUnavailable` (only for a really changed schedule). */
  updateIngestion(_id: string, _input: UpdateIngestion): Promise<IngestionView> {
    throw new Error('contract');
  }

  /** Repeatable. Errors: `IngestionNotFound`, `Conflict`, `OrchestrationUnavailable`. */
  pauseIngestion(_id: string): Promise<IngestionView> {
    throw new Error('contract');
  }

  /** Repeatable. Errors: `IngestionNotFound`, `Conflict`, `OrchestrationUnavailable`. */
  resumeIngestion(_id: string): Promise<IngestionView> {
    throw new Error('contract');
  }

  /** Needs no Prefect and wins over any operation under way. Errors: `IngestionNotFound`. */
  deleteIngestion(_id: string): Promise<void> {
    throw new Error('contract');
  }

  /** Errors: `ValueError` (no deployment), `IngestionNotFound`, `RunActive`, `Conflict`, `OrchestrationUnavailable` (then it will not run). */
  triggerManualRun(_id: string, _body?: TriggerInput): Promise<Triggered> {
    throw new Error('contract');
  }

  /** Errors: `IngestionNotFound`. */
  getIngestion(_id: string): Promise<IngestionView> {
    throw new Error('contract');
  }

  /** Newest first. Errors: `ValueError` (limit, cursor, status). */
  listIngestions(_request?: ListIngestions): Promise<Page<IngestionView>> {
    throw new Error('contract');
  }
}
