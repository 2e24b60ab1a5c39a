import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Ingestion } from './ingestion.entity';
import { IngestionService } from './ingestion.service';
import { ProcessedFile } from './processed-file.entity';
import { Reconciler } from './reconciler';
import { Run } from './run.entity';
import { RunRecorder } from './run-recorder';
import { RunService } from './run.service';
import { SchemaVersion } from './schema-version.entity';
import { Tombstone } from './tombstone.entity';

/** The use cases, for the API. Needs `KernelModule`, `DatabaseModule` and `OrchestrationGatewayModule.forApi()`. The reconciler starts and stops with the application. */
@Module({
  imports: [TypeOrmModule.forFeature([Ingestion, Run, ProcessedFile, SchemaVersion, Tombstone])],
  providers: [IngestionService, RunService, Reconciler],
  exports: [IngestionService, RunService, Reconciler],
})
export class IngestionModule {}

/** The `RunRecorder` alone, for the flow-runner. Needs `DatabaseModule`; has neither gateway nor reconciler. */
@Module({ providers: [RunRecorder], exports: [RunRecorder] })
export class RunRecorderModule {}
