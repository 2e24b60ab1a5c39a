import { type DynamicModule, Module } from '@nestjs/common';
import { APP_FILTER, APP_GUARD } from '@nestjs/core';
import { TerminusModule } from '@nestjs/terminus';
import { DatabaseModule } from '@sluice/database';
import { IngestionModule } from '@sluice/ingestion';
import { type Config, KernelModule } from '@sluice/kernel';
import { OrchestrationGatewayModule } from '@sluice/orchestration-gateway';
import { LoggerModule } from 'nestjs-pino';
import { EventsController } from './events/events.controller';
import { DatabaseIndicator } from './health/database.indicator';
import { HealthController } from './health/health.controller';
import { HealthReport } from './health/health.report';
import { HistoryController } from './history/history.controller';
import { JsonOnlyGuard } from './http/json-only.guard';
import { rootLogger } from './http/root-logger';
import { RouteTable } from './http/route-table';
import { IngestionsController } from './ingestions/ingestions.controller';
import { OperationsController } from './ingestions/operations.controller';
import { RefreshController } from './ingestions/refresh.controller';
import { Metrics } from './metrics/metrics';
import { MetricsController } from './metrics/metrics.controller';
import { StatisticsCache } from './metrics/statistics-cache';
import { OrchestrationController } from './orchestration/orchestration.controller';
import { PreviewController } from './preview/preview.controller';
import { Previewer } from './preview/previewer';
import { ProblemFilter } from './problem/problem.filter';
import { RunsController } from './runs/runs.controller';

/** The root logger. The request log is bound to it before the body is parsed, so that refused bodies are logged too. */
export const LOG = Symbol('LOG');

@Module({})
export class AppModule {
  /** `orchestration`: the gateway with other timings, for tests. */
  static forRoot(config: Config, orchestration = OrchestrationGatewayModule.forApi()): DynamicModule {
    const logger = rootLogger(config.LOG_LEVEL);
    return {
      module: AppModule,
      imports: [
        LoggerModule.forRoot({ pinoHttp: { logger }, useExisting: true }),
        KernelModule.forRoot(config),
        DatabaseModule.forRoot({ migrate: true }),
        orchestration,
        IngestionModule,
        TerminusModule.forRoot({ logger: false }),
      ],
      controllers: [
        IngestionsController,
        OperationsController,
        RefreshController,
        PreviewController,
        RunsController,
        HistoryController,
        OrchestrationController,
        HealthController,
        EventsController,
        MetricsController,
      ],
      providers: [
        { provide: LOG, useValue: logger },
        { provide: APP_FILTER, useClass: ProblemFilter },
        { provide: APP_GUARD, useClass: JsonOnlyGuard },
        ...[Metrics, StatisticsCache],
        ...[RouteTable, HealthReport, DatabaseIndicator, Previewer],
      ],
    };
  }
}
