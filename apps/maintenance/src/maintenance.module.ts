import { type DynamicModule, Module } from '@nestjs/common';
import { DatabaseModule } from '@sluice/database';
import { IngestionCommandsModule } from '@sluice/ingestion';
import { type Config, KernelModule } from '@sluice/kernel';
import { OrchestrationGatewayModule } from '@sluice/orchestration-gateway';

@Module({})
export class MaintenanceModule {
  /** The use cases without whatever begins by itself. The work pool is the API's: its command is left as it is. */
  static for(config: Config): DynamicModule {
    return {
      module: MaintenanceModule,
      imports: [
        KernelModule.forRoot(config),
        DatabaseModule.forRoot(),
        OrchestrationGatewayModule.forApi({ leavesPool: true }),
        IngestionCommandsModule,
      ],
    };
  }
}
