import { Injectable, ServiceUnavailableException } from '@nestjs/common';
import { type HealthCheckResult, HealthCheckService, type HealthIndicatorFunction } from '@nestjs/terminus';
import { OrchestrationGateway } from '@sluice/orchestration-gateway';
import { OrchestrationStatusAnswer } from '../orchestration/orchestration.answers';
import { TransportError } from '../problem/fault';
import { DatabaseIndicator } from './database.indicator';

/** What the probes say. Only the database decides; Prefect is told beside it. */
@Injectable()
export class HealthReport {
  constructor(
    private readonly health: HealthCheckService,
    private readonly database: DatabaseIndicator,
    private readonly gateway: OrchestrationGateway,
  ) {}

  /** Throws a 503 problem that carries the details, unless the database answers and is migrated. */
  async readiness(): Promise<HealthCheckResult> {
    const checked = await this.check([() => this.database.answers(), () => this.database.isMigrated()]);
    return readyOrThrow(checked);
  }

  /** As readiness, with `prefect` among the details. */
  async whole(): Promise<HealthCheckResult> {
    const checked = await this.check([() => this.database.answers(), () => this.database.isMigrated()]);
    return readyOrThrow(withPrefect(checked, this.prefect()));
  }

  private prefect(): PrefectDetails {
    const { initialized, reason, since, last_probe_at, last_success_at } = OrchestrationStatusAnswer.of(
      this.gateway.status(),
    );
    return { status: initialized ? 'up' : 'down', initialized, reason, since, last_probe_at, last_success_at };
  }

  /** Terminus throws what is down; here it is a result like any other. */
  private async check(indicators: HealthIndicatorFunction[]): Promise<HealthCheckResult> {
    try {
      return await this.health.check(indicators);
    } catch (error) {
      if (error instanceof ServiceUnavailableException) return error.getResponse() as HealthCheckResult;
      throw error;
    }
  }
}

interface PrefectDetails {
  status: 'up' | 'down';
  initialized: boolean;
  reason: string | null;
  since: string | null;
  last_probe_at: string | null;
  last_success_at: string | null;
}

/** Prefect's absence is shown under `error` and leaves `status` alone: the pods that answer 503 for it must stay. */
function withPrefect(result: HealthCheckResult, prefect: PrefectDetails): HealthCheckResult {
  const part = prefect.status === 'up' ? 'info' : 'error';
  return { ...result, [part]: { ...result[part], prefect }, details: { ...result.details, prefect } };
}

function readyOrThrow(result: HealthCheckResult): HealthCheckResult {
  if (result.status === 'ok') return result;
  const { info, error, details } = result;
  const down = Object.keys(details).filter((name) => name !== 'prefect' && details[name]?.status === 'down');
  const detail =
    result.status === 'shutting_down'
      ? 'This process is shutting down.'
      : `Not usable now: ${down.join(', ')}. The log of the API tells why.`;
  throw new TransportError({ code: 'NOT_READY', detail, members: { info, error, details } });
}
