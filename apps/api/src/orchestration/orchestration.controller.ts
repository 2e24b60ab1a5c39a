import { Controller, Get } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { OrchestrationGateway } from '@sluice/orchestration-gateway';
import { BASE } from '../http/base-path';
import { Problems } from '../openapi/problems';
import { OrchestrationStatusAnswer } from './orchestration.answers';

@ApiTags('orchestration')
@Controller(`${BASE}/orchestration`)
export class OrchestrationController {
  constructor(private readonly gateway: OrchestrationGateway) {}

  @Get('status')
  @ApiOperation({
    operationId: 'orchestrationStatus',
    summary: 'Whether Prefect can be used',
    description: 'From memory, kept up by a probe every 5 s; answers 200 also while Prefect is down.',
  })
  @ApiOkResponse({ type: OrchestrationStatusAnswer })
  @Problems({})
  status(): OrchestrationStatusAnswer {
    return OrchestrationStatusAnswer.of(this.gateway.status());
  }
}
