/**
 * The standing orders and their life: entities, schedule rules and the use cases of the API; for the data plane the `RunRecorder`.
 * Raises only kernel errors. Speaks to Prefect through the gateway alone and never loads anything itself.
 */
export { Ingestion } from './ingestion.entity';
export { Run } from './runs/run.entity';
export { ProcessedFile } from './processed-file.entity';
export { SchemaVersion } from './schema-version.entity';
export { Tombstone } from './tombstone.entity';
export type {
  CreateIngestion,
  DestinationInput,
  FormatInput,
  PreviewInput,
  QualityInput,
  RefreshInput,
  RetryInput,
  ScheduleInput,
  SchemaInput,
  SourceInput,
  TriggerInput,
  UpdateIngestion,
} from './inputs';
export type {
  EventView,
  FileView,
  Freshness,
  IngestionMetadata,
  IngestionView,
  ListEvents,
  ListIngestions,
  ListRejectedRows,
  Page,
  PageRequest,
  PreviewOrder,
  RefreshEstimate,
  RejectedRowView,
  RunCancel,
  RunView,
  SchemaVersionView,
  TickCounts,
  Triggered,
} from './views';
export { IngestionService } from './ingestion.service';
export { PreviewOrders } from './preview-orders';
export { RunService } from './runs/run.service';
export { EVENT_KINDS, type EventKind } from './events/event';
export { EventDelivery } from './events/event-delivery';
export { Events } from './events/events';
export { DURATION_BOUNDS } from './runs/run-counts';
export { NO_METRICS } from './runs/run-moves';
export { Statistics, type EndedRuns, type SluiceStatistics } from './statistics';
export { Reconciler } from './reconciler/reconciler';
export { Reconciliation, type DriftReport, type ReconcileReport } from './reconciler/reconciliation';
export { DRIFT_ACTIONS, DRIFT_KINDS, type Drift, type DriftAction, type DriftKind } from './reconciler/drift';
export type { Alarm } from './reconciler/alarm';
export { Backfill, type BackfillReport, type BackfillStep } from './backfill/backfill';
export type { Entered } from './runs/run-entry';
export { RunPulse, type StopOrder } from './runs/run-pulse';
export { RunRecorder, type KnownSchema, type RunningOrder } from './runs/run-recorder';
export { missedAfter } from './rules/fire-times';
export { timetableOf } from './rules/schedule';
export { lastSettled } from './runs/ticks-seen';
export { RunQueue, SUPERSEDED, type TickCounter, type Turn } from './runs/run-queue';
export { ReconcilerTimer } from './reconciler/reconciler-timer';
export { IngestionCommandsModule, IngestionModule, RunRecorderModule } from './ingestion.module';
export type * from './types';
export {
  CHANGED_FILES,
  FORMAT_TYPES,
  FREQUENCIES,
  INGESTION_STATUSES,
  MISSED_RUNS,
  NEXT_RUN_STATUS,
  ON_ERROR,
  ON_SCHEMA_CHANGE,
  OVERLAP_POLICIES,
  RUN_STATUSES,
  SOURCE_TYPES,
  VERIFY,
  WRITE_MODES,
} from './types';
