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
import { Reconciler } from './reconciler/reconciler';
import { ReconcilerTimer } from './reconciler/reconciler-timer';
import { SuspectedDrift } from './reconciler/suspected-drift';
import { TickCatchUp } from './reconciler/tick-catch-up';
import { UnplannedTicks } from './reconciler/unplanned-ticks';
import { RefreshEstimation } from './refresh-estimation';
import { RejectedRows } from './rejected-rows';
import { Run } from './run.entity';
import { RunCancellation } from './run-cancellation';
import { RunOverlap } from './run-overlap';
import { RunReads } from './run-reads';
import { RunRecorder } from './run-recorder';
import { RunService } from './run.service';
import { RunSettlement } from './run-settlement';
import { RunStarter } from './run-starter';
import { RunTurns } from './run-turns';
import { SchemaVersion } from './schema-version.entity';
import { TableSharing } from './table-sharing';
import { Tombstone } from './tombstone.entity';
import { Tombstones } from './tombstones';

const SHARED = [OperationClaims, Tombstones, DeploymentSteps, Agreement, Drafting, CredentialVault];
const RUNS = [RunSettlement, ActiveRuns, RunOverlap, RunStarter, TickCatchUp];
const DATA = [LoadedData, TableSharing, RefreshEstimation];
const USE_CASES = [IngestionCreation, IngestionChange, IngestionRemoval, ManualRuns, FileHistory, RunCancellation];
const READS = [IngestionReads, RunReads, RejectedRows];
const STEPS = [ExpiredClaims, SuspectedDrift, DueTombstones, LostRuns, UnplannedTicks];
const FRONT = [IngestionService, RunService, PreviewOrders, Reconciler];

/** The use cases, for the API. Needs `KernelModule`, `DatabaseModule` and `OrchestrationGatewayModule.forApi()`. The reconciler starts and stops with the application. */
@Module({
  imports: [TypeOrmModule.forFeature([Ingestion, Run, ProcessedFile, SchemaVersion, Tombstone])],
  providers: [...SHARED, ...RUNS, ...DATA, ...USE_CASES, ...READS, ...STEPS, ...FRONT, ReconcilerTimer],
  exports: FRONT,
})
export class IngestionModule {}

/** The `RunRecorder` and the `RunTurns` alone, for the flow-runner. Needs `DatabaseModule`; has neither gateway nor reconciler. */
@Module({ providers: [RunRecorder, RunTurns], exports: [RunRecorder, RunTurns] })
export class RunRecorderModule {}
