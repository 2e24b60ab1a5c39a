import { Controller, Get, Header } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProduces, ApiTags } from '@nestjs/swagger';
import { Registry } from 'prom-client';
import { Problems } from '../openapi/problems';
import { Metrics } from './metrics';

@ApiTags('health')
@Controller('metrics')
export class MetricsController {
  constructor(private readonly metrics: Metrics) {}

  @Get()
  @Header('Content-Type', Registry.PROMETHEUS_CONTENT_TYPE)
  @Header('Cache-Control', 'no-store')
  @ApiProduces('text/plain')
  @ApiOperation({
    operationId: 'metrics',
    summary: 'Metrics for Prometheus',
    description:
      'Answers also while the control database is away: then `sluice_database_up` is 0, and what is known only from there is left out.',
  })
  @ApiOkResponse({ description: 'Text format 0.0.4.', schema: { type: 'string' } })
  @Problems({ 503: null })
  read(): Promise<string> {
    return this.metrics.text();
  }
}
