import { Module } from '@nestjs/common';
import { Destination, DuckDb, PostgresDestination } from '@sluice/connectors';
import { RunRecorderModule } from '@sluice/ingestion';
import { CONFIG, type Config } from '@sluice/kernel';
import { BatchOrchestrator } from './batch-orchestrator';

@Module({
  imports: [RunRecorderModule],
  providers: [
    BatchOrchestrator,
    {
      provide: Destination,
      inject: [CONFIG],
      useFactory: (config: Config) =>
        new PostgresDestination({
          url: config.DESTINATION_URL,
          leaseSeconds: config.SLUICE_LEASE_SECONDS,
          fileAttempts: config.SLUICE_FILE_ATTEMPTS,
          fileRetrySeconds: config.SLUICE_FILE_RETRY_SECONDS,
        }),
    },
    {
      provide: DuckDb,
      inject: [CONFIG],
      useFactory: (config: Config) =>
        new DuckDb({
          memoryMb: config.SLUICE_READER_MEMORY_MB,
          threads: config.SLUICE_READER_THREADS,
          tempDir: config.SLUICE_TEMP_DIR,
        }),
    },
  ],
  exports: [BatchOrchestrator],
})
export class BatchOrchestratorModule {}
