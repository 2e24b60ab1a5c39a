import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { HealthCheckResult } from '@nestjs/terminus';
import { OrchestrationGateway } from '@sluice/orchestration-gateway';
import { Problems } from '../openapi/problems';
import { OrchestrationStatusAnswer } from '../orchestration/orchestration.answers';
import { HealthAnswer, LiveAnswer } from './health.answers';
import { HealthReport } from './health.report';
import { orchestrationHealth } from './orchestration-health';

@ApiTags('health')
@Controller()
export class HealthController {
  constructor(
    private readonly report: HealthReport,
    private readonly gateway: OrchestrationGateway,
  ) {}

  @Get('livez')
  @ApiOperation({ operationId: 'livez', summary: 'Whether the process lives', description: 'Asks nobody.' })
  @ApiOkResponse({ type: LiveAnswer })
  @Problems({ 503: null })
  live(): LiveAnswer {
    return { status: 'ok' };
  }

  @Get('readyz')
  @ApiOperation({
    operationId: 'readyz',
    summary: 'Whether it can serve',
    description: 'Database and migrations; not Prefect, whose outage must not take away the API.',
  })
  @ApiOkResponse({ type: HealthAnswer })
  @Problems({ 503: { only: 'The control database does not answer or lacks migrations; `details` says which.' } })
  ready(): Promise<HealthCheckResult> {
    return this.report.readiness();
  }

  @Get('healthz')
  @ApiOperation({
    operationId: 'healthz',
    summary: 'All parts',
    description:
      'As readyz, and Prefect beside it. 503 only for the database: while Prefect alone is down the answer is 200, with `prefect.status` "down" in `details`.',
  })
  @ApiOkResponse({ type: HealthAnswer })
  @Problems({ 503: { only: 'The control database does not answer or lacks migrations; `details` says which.' } })
  all(): Promise<HealthCheckResult> {
    return this.report.whole();
  }

  @Get('health/orchestration')
  @ApiOperation({
    operationId: 'orchestrationHealth',
    summary: 'Whether runs get done, for monitors',
    description: 'Prefect usable, its scheduler not dead, a worker online.',
  })
  @ApiOkResponse({ type: OrchestrationStatusAnswer })
  @Problems({ 503: { only: 'One of these is not so; `detail` says which, and the facts stand beside it.' } })
  orchestration(): OrchestrationStatusAnswer {
    return orchestrationHealth(this.gateway.status());
  }
}
