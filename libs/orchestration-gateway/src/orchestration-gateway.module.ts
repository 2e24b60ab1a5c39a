import { Module, type DynamicModule, type FactoryProvider } from '@nestjs/common';
import { CONFIG, Clock, type Config } from '@sluice/kernel';
import { createClient, createGateway, type GatewayOptions } from './create-gateway';
import { FlowRunSession } from './flow-run-session';
import { OrchestrationGateway } from './orchestration-gateway';

/** `forApi()` probes and bootstraps (flow, pool, job template) in the background; `forRunner(flowRunId)` gives a `FlowRunSession`. Needs `KernelModule`. */
@Module({})
export class OrchestrationGatewayModule {
  static forApi(options: GatewayOptions = {}): DynamicModule {
    return moduleFor({
      provide: OrchestrationGateway,
      inject: [CONFIG, Clock],
      useFactory: (config: Config, clock: Clock) => createGateway(config, clock, options),
    });
  }

  static forRunner(flowRunId: string): DynamicModule {
    return moduleFor({
      provide: FlowRunSession,
      inject: [CONFIG, Clock],
      useFactory: (config: Config, clock: Clock) => new FlowRunSession(createClient(config, clock), clock, flowRunId),
    });
  }
}

function moduleFor(provider: FactoryProvider): DynamicModule {
  return { module: OrchestrationGatewayModule, global: true, providers: [provider], exports: [provider.provide] };
}
