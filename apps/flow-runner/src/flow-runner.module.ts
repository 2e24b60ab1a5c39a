import { DynamicModule, Module } from '@nestjs/common';
import { BatchOrchestratorModule } from '@sluice/batch-orchestrator';
import { DatabaseModule } from '@sluice/database';
import { RunRecorderModule } from '@sluice/ingestion';
import { type Config, KernelModule } from '@sluice/kernel';
import { OrchestrationGatewayModule } from '@sluice/orchestration-gateway';
import { FlowRunExecution } from './flow-run';
import { RunTurn } from './turn';

@Module({})
export class FlowRunnerModule {
  static for(config: Config, flowRunId: string): DynamicModule {
    return {
      module: FlowRunnerModule,
      imports: [
        KernelModule.forRoot(config),
        DatabaseModule.forRoot(),
        OrchestrationGatewayModule.forRunner(flowRunId),
        RunRecorderModule,
        BatchOrchestratorModule,
      ],
      providers: [FlowRunExecution, RunTurn],
    };
  }
}
