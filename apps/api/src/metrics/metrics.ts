import { Injectable } from '@nestjs/common';
import { EventDelivery } from '@sluice/ingestion';
import { OrchestrationGateway } from '@sluice/orchestration-gateway';
import { collectDefaultMetrics, type Metric, Registry } from 'prom-client';
import { type Family, gauge } from './family';
import { requestTimer } from './http-metrics';
import { eventFamilies, ingestionFamilies } from './ingestion-families';
import { processFamilies } from './process-families';
import { runFamilies } from './run-families';
import { StatisticsCache } from './statistics-cache';

/** All metrics of this process, and those of the control database, which every process tells alike. */
@Injectable()
export class Metrics {
  private readonly registry = new Registry();
  /** The middleware that times requests. */
  readonly timer = requestTimer(this.registry);

  constructor(
    private readonly statistics: StatisticsCache,
    private readonly gateway: OrchestrationGateway,
    private readonly delivery: EventDelivery,
  ) {
    collectDefaultMetrics({ register: this.registry });
  }

  /** In Prometheus's text format. Without the control database its metrics are left out, rather than told as they were. */
  async text(): Promise<string> {
    const facts = await this.statistics.read();
    const shared = facts
      ? [...ingestionFamilies(facts), ...runFamilies(facts), ...eventFamilies(facts, this.delivery.isOn)]
      : [];
    const up = gauge('sluice_database_up', 'Whether the control database answers.', facts !== null);
    const own = processFamilies(this.gateway.status(), this.gateway.circuits(), this.delivery.counts);
    return `${await this.registry.metrics()}\n${await textOf([up, ...own, ...shared])}`;
  }
}

/** The registry only asks each metric for its samples, and writes and escapes them. */
function textOf(families: readonly Family[]): Promise<string> {
  const registry = new Registry();
  for (const family of families) registry.registerMetric({ ...family, get: () => family } as unknown as Metric);
  return registry.metrics();
}
