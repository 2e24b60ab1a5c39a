import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { ActiveRuns } from './active-runs';
import { Agreement } from './agreement';
import { CredentialVault } from './credential-vault';
import { DeploymentSteps } from './deployment-steps';
import { Drafting } from './drafting';
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
import { LostRuns } from './reconciler/lost-runs';
import { OrphanedFlowRuns } from './reconciler/orphaned-flow-runs';
import { Reconciler } from './reconciler/reconciler';
import { ReconcilerTimer } from './reconciler/reconciler-timer';
import { SilentRuns } from './reconciler/silent-runs';
import { SuspectedDrift } from './reconciler/suspected-drift';
import { RefreshEstimation } from './refresh-estimation';
import { RejectedRows } from './rejected-rows';
import { Run } from './run.entity';
import { RunCancellation } from './run-cancellation';
import { RunGivingUp } from './run-giving-up';
import { RunPulse } from './run-pulse';
import { RunReads } from './run-reads';
import { RunRecorder } from './run-recorder';
import { RunResubmission } from './run-resubmission';
import { RunService } from './run.service';
import { RunSettlement } from './run-settlement';
import { RunStarter } from './run-starter';
import { SchemaVersion } from './schema-version.entity';
import { TableSharing } from './table-sharing';
import { Tombstone } from './tombstone.entity';
import { Tombstones } from './tombstones';

const SHARED = [OperationClaims, Tombstones, DeploymentSteps, Agreement, Drafting, CredentialVault];
const RUNS = [RunSettlement, RunGivingUp, RunResubmission, ActiveRuns, RunStarter];
const DATA = [LoadedData, TableSharing, RefreshEstimation];
const USE_CASES = [IngestionCreation, IngestionChange, IngestionRemoval, ManualRuns, FileHistory, RunCancellation];
const READS = [IngestionReads, RunReads, RejectedRows];
const STEPS = [ExpiredClaims, SuspectedDrift, DueTombstones, SilentRuns, LostRuns, OrphanedFlowRuns];
const FRONT = [IngestionService, RunService, PreviewOrders, Reconciler];

/** The use cases, for the API. Needs `KernelModule`, `DatabaseModule` and `OrchestrationGatewayModule.forApi()`. The reconciler starts and stops with the application. */
@Module({
  imports: [TypeOrmModule.forFeature([Ingestion, Run, ProcessedFile, SchemaVersion, Tombstone])],
  providers: [...SHARED, ...RUNS, ...DATA, ...USE_CASES, ...READS, ...STEPS, ...FRONT, ReconcilerTimer],
  exports: FRONT,
})
export class IngestionModule {}

/** `RunRecorder` and `RunPulse`, for the flow-runner. Needs `KernelModule` and `DatabaseModule`; has neither gateway nor reconciler. */
@Module({ providers: [RunRecorder, RunPulse], exports: [RunRecorder, RunPulse] })
export class RunRecorderModule {}
