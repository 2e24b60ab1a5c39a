import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { ActiveRuns } from './runs/active-runs';
import { Agreement } from './agreement';
import { Backfill } from './backfill/backfill';
import { CredentialVault } from './credential-vault';
import { DeploymentSteps } from './deployment-steps';
import { Drafting } from './drafting';
import { EventDelivery } from './events/event-delivery';
import { Events } from './events/events';
import { FileHistory } from './file-history';
import { IdempotencyKeys } from './idempotency-keys';
import { Ingestion } from './ingestion.entity';
import { IngestionChange } from './ingestion-change';
import { IngestionCreation } from './ingestion-creation';
import { IngestionReads } from './ingestion-reads';
import { IngestionRemoval } from './ingestion-removal';
import { Installation } from './installation';
import { IngestionService } from './ingestion.service';
import { KeyedStarts } from './runs/keyed-starts';
import { KnownFlowRuns } from './runs/known-flow-runs';
import { LoadedData } from './loaded-data';
import { ManualRuns } from './runs/manual-runs';
import { NewIngestions } from './new-ingestions';
import { OperationClaims } from './operation-claims';
import { PreviewOrders } from './preview-orders';
import { ProcessedFile } from './processed-file.entity';
import { BrokenTicks } from './reconciler/broken-ticks';
import { WholeComparison } from './reconciler/comparison';
import { DriftRecord } from './reconciler/drift-record';
import { DriftRepair } from './reconciler/drift-repair';
import { DriftingRows } from './reconciler/drifting-rows';
import { DueOrphans } from './reconciler/due-orphans';
import { DueTableDrops } from './reconciler/due-table-drops';
import { DueTombstones } from './reconciler/due-tombstones';
import { ExpiredClaims } from './reconciler/expired-claims';
import { FailureStreaks } from './reconciler/failure-streaks';
import { ForgottenRuns } from './reconciler/forgotten-runs';
import { FreshnessWatch } from './reconciler/freshness-watch';
import { FullComparison } from './reconciler/full-comparison';
import { Housekeeping } from './reconciler/housekeeping';
import { LostRuns } from './reconciler/lost-runs';
import { NeedlessDeployments } from './reconciler/needless-deployments';
import { OrphanedFlowRuns } from './reconciler/orphaned-flow-runs';
import { QuarantineWatch } from './reconciler/quarantine-watch';
import { Reconciler, RECONCILER_STEPS } from './reconciler/reconciler';
import { ReconcilerTimer } from './reconciler/reconciler-timer';
import { Reconciliation } from './reconciler/reconciliation';
import { SilentRuns } from './reconciler/silent-runs';
import { StaleMirrors } from './reconciler/stale-mirrors';
import type { ReconcilerStep } from './reconciler/step';
import { SuspectedDrift } from './reconciler/suspected-drift';
import { TickCatchUp } from './reconciler/tick-catch-up';
import { UnfinishedBusiness } from './reconciler/unfinished-business';
import { UnplannedTicks } from './reconciler/unplanned-ticks';
import { UnwantedFlowRuns } from './reconciler/unwanted-flow-runs';
import { RefreshEstimation } from './refresh-estimation';
import { RejectedRows } from './rejected-rows';
import { Run } from './runs/run.entity';
import { RunCancellation } from './runs/run-cancellation';
import { RunGivingUp } from './runs/run-giving-up';
import { RunOverlap } from './runs/run-overlap';
import { RunPulse } from './runs/run-pulse';
import { RunReads } from './runs/run-reads';
import { RunRecorder } from './runs/run-recorder';
import { RunResubmission } from './runs/run-resubmission';
import { RunService } from './runs/run.service';
import { RunSettlement } from './runs/run-settlement';
import { RunStarter } from './runs/run-starter';
import { RunQueue } from './runs/run-queue';
import { UnsentRuns } from './runs/unsent-runs';
import { SchemaVersion } from './schema-version.entity';
import { Statistics } from './statistics';
import { TableDrops } from './table-drops';
import { TableSharing } from './table-sharing';
import { Tombstone } from './tombstone.entity';
import { Tombstones } from './tombstones';

const SHARED = [
  ...[Installation, OperationClaims, Tombstones, DeploymentSteps, Agreement, Drafting],
  ...[CredentialVault, IdempotencyKeys],
];
const RUNS = [
  ...[RunSettlement, RunGivingUp, RunResubmission, UnsentRuns, ActiveRuns, RunOverlap, KnownFlowRuns],
  ...[RunStarter, KeyedStarts, RunRecorder, TickCatchUp],
];
const DATA = [LoadedData, TableSharing, TableDrops, RefreshEstimation];
const USE_CASES = [
  NewIngestions,
  IngestionCreation,
  IngestionChange,
  IngestionRemoval,
  ManualRuns,
  FileHistory,
  RunCancellation,
];
const READS = [IngestionReads, RunReads, RejectedRows];
const COMPARING = [UnfinishedBusiness, DriftingRows, NeedlessDeployments, WholeComparison, DriftRecord, DriftRepair];
const WATCHING = [Events, Statistics];
/** In this order: what died is freed, what differs is found, then mended; what there is to tell comes last. */
const STEPS = [
  ...[ExpiredClaims, FullComparison, SuspectedDrift, DueTombstones, DueTableDrops, DueOrphans],
  ...[SilentRuns, ForgottenRuns, LostRuns, OrphanedFlowRuns, UnwantedFlowRuns],
  ...[BrokenTicks, UnplannedTicks, StaleMirrors, Housekeeping],
  ...[FailureStreaks, FreshnessWatch, QuarantineWatch, EventDelivery],
];
const PASS = {
  provide: RECONCILER_STEPS,
  inject: STEPS,
  useFactory: (...steps: ReconcilerStep[]) => steps,
};
const FRONT = [IngestionService, RunService, PreviewOrders, Reconciler, Reconciliation, Backfill, ...WATCHING];
const ALL = [...SHARED, ...RUNS, ...DATA, ...USE_CASES, ...READS, ...COMPARING, ...STEPS, PASS, ...FRONT];
/** What begins by itself with the application. */
const TIMERS = [ReconcilerTimer];
const ENTITIES = [Ingestion, Run, ProcessedFile, SchemaVersion, Tombstone];
const EXPORTS = [...FRONT, EventDelivery];

/** The use cases, for the API. Needs `KernelModule`, `DatabaseModule` and `OrchestrationGatewayModule.forApi()`. The reconciler starts and stops with the application. */
@Module({ imports: [TypeOrmModule.forFeature(ENTITIES)], providers: [...ALL, ...TIMERS], exports: EXPORTS })
export class IngestionModule {}

/** The same for commands: nothing begins by itself. */
@Module({ imports: [TypeOrmModule.forFeature(ENTITIES)], providers: ALL, exports: FRONT })
export class IngestionCommandsModule {}

/** `RunRecorder`, `RunPulse` and `RunQueue`, for the flow-runner. Needs `KernelModule` and `DatabaseModule`; has neither gateway nor reconciler. */
@Module({ providers: [RunRecorder, RunPulse, RunQueue], exports: [RunRecorder, RunPulse, RunQueue] })
export class RunRecorderModule {}
