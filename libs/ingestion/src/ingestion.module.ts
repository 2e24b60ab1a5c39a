import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { ActiveRuns } from './active-runs';
import { Agreement } from './agreement';
import { CredentialVault } from './credential-vault';
import { DeploymentSteps } from './deployment-steps';
import { Drafting } from './drafting';
import { EventDelivery } from './events/event-delivery';
import { Events } from './events/events';
import { FileHistory } from './file-history';
import { Ingestion } from './ingestion.entity';
import { IngestionChange } from './ingestion-change';
import { IngestionCreation } from './ingestion-creation';
import { IngestionReads } from './ingestion-reads';
import { IngestionRemoval } from './ingestion-removal';
import { IngestionService } from './ingestion.service';
import { LoadedData } from './loaded-data';
import { ManualRuns } from './manual-runs';
import { OperationClaims } from './operation-claims';
import { PreviewOrders } from './preview-orders';
import { ProcessedFile } from './processed-file.entity';
import { DueTombstones } from './reconciler/due-tombstones';
import { ExpiredClaims } from './reconciler/expired-claims';
import { FailureStreaks } from './reconciler/failure-streaks';
import { FreshnessWatch } from './reconciler/freshness-watch';
import { LostRuns } from './reconciler/lost-runs';
import { Reconciler, RECONCILER_STEPS } from './reconciler/reconciler';
import { ReconcilerTimer } from './reconciler/reconciler-timer';
import type { ReconcilerStep } from './reconciler/step';
import { SuspectedDrift } from './reconciler/suspected-drift';
import { RefreshEstimation } from './refresh-estimation';
import { RejectedRows } from './rejected-rows';
import { Run } from './run.entity';
import { RunCancellation } from './run-cancellation';
import { RunReads } from './run-reads';
import { RunRecorder } from './run-recorder';
import { RunService } from './run.service';
import { RunSettlement } from './run-settlement';
import { RunStarter } from './run-starter';
import { SchemaVersion } from './schema-version.entity';
import { Statistics } from './statistics';
import { TableSharing } from './table-sharing';
import { Tombstone } from './tombstone.entity';
import { Tombstones } from './tombstones';

const SHARED = [OperationClaims, Tombstones, DeploymentSteps, Agreement, Drafting, CredentialVault];
const RUNS = [RunSettlement, ActiveRuns, RunStarter];
const DATA = [LoadedData, TableSharing, RefreshEstimation];
const USE_CASES = [IngestionCreation, IngestionChange, IngestionRemoval, ManualRuns, FileHistory, RunCancellation];
const READS = [IngestionReads, RunReads, RejectedRows];
const WATCHING = [Events, Statistics];
const STEPS = [ExpiredClaims, SuspectedDrift, DueTombstones, LostRuns, FailureStreaks, FreshnessWatch, EventDelivery];
const IN_ORDER = { provide: RECONCILER_STEPS, inject: STEPS, useFactory: (...steps: ReconcilerStep[]) => steps };
const FRONT = [IngestionService, RunService, PreviewOrders, Reconciler, ...WATCHING];

/** The use cases, for the API. Needs `KernelModule`, `DatabaseModule` and `OrchestrationGatewayModule.forApi()`. The reconciler starts and stops with the application. */
@Module({
  imports: [TypeOrmModule.forFeature([Ingestion, Run, ProcessedFile, SchemaVersion, Tombstone])],
  providers: [...SHARED, ...RUNS, ...DATA, ...USE_CASES, ...READS, ...STEPS, IN_ORDER, ...FRONT, ReconcilerTimer],
  exports: [...FRONT, EventDelivery],
})
export class IngestionModule {}

/** The `RunRecorder` alone, for the flow-runner. Needs `DatabaseModule`; has neither gateway nor reconciler. */
@Module({ providers: [RunRecorder], exports: [RunRecorder] })
export class RunRecorderModule {}
