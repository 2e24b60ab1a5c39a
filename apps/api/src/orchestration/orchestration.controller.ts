import { Body, Controller, Get, HttpCode, Post, Query } from '@nestjs/common';
import { ApiBody, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Reconciliation } from '@sluice/ingestion';
import { OrchestrationGateway } from '@sluice/orchestration-gateway';
import { ReconcileQuery } from '../fields/queries';
import { BASE } from '../http/base-path';
import { BODY_PROBLEMS, Problems } from '../openapi/problems';
import { DriftAnswer, ReconcileAnswer } from './drift.answers';
import { ReconcileBody, reconcileOrder } from './drift.bodies';
import { OrchestrationStatusAnswer } from './orchestration.answers';

const EXAMPLES = {
  dry: { summary: 'What would be done', value: { dry_run: true } },
  do: { summary: 'Do it', value: { dry_run: false } },
  force: { summary: 'Do it, although so many removals are suspicious', value: { dry_run: false, force: true } },
};

@ApiTags('orchestration')
@Controller(`${BASE}/orchestration`)
export class OrchestrationController {
  constructor(
    private readonly gateway: OrchestrationGateway,
    private readonly reconciliation: Reconciliation,
  ) {}

  @Get('status')
  @ApiOperation({
    operationId: 'orchestrationStatus',
    summary: 'Whether Prefect can be used',
    description: 'From memory, kept up by a probe every 5 s; answers 200 also while Prefect is down.',
  })
  @ApiOkResponse({ type: OrchestrationStatusAnswer })
  @Problems({ 503: null })
  status(): OrchestrationStatusAnswer {
    return OrchestrationStatusAnswer.of(this.gateway.status());
  }

  @Get('drift')
  @ApiOperation({
    operationId: 'drift',
    summary: 'Where the ingestions and their deployments in Prefect differ',
    description:
      'Compares them all now and changes nothing. The reconciler does the same by itself and mends what it finds, a few at a time.',
  })
  @ApiOkResponse({ type: DriftAnswer })
  @Problems({ 503: 'Prefect could not be asked.' })
  async drift(): Promise<DriftAnswer> {
    return DriftAnswer.of(await this.reconciliation.look());
  }

  @Post('reconcile')
  @HttpCode(200)
  @ApiOperation({
    operationId: 'reconcile',
    summary: 'Bring Prefect to what the ingestions say',
    description:
      'A dry run unless `dry_run` is false. Mends a few of each kind and notes the rest for the reconciler; a deployment without an ingestion goes 20 s after it was first seen.',
  })
  @ApiBody({ type: ReconcileBody, required: false, examples: EXAMPLES })
  @ApiOkResponse({ type: ReconcileAnswer })
  @Problems({ ...BODY_PROBLEMS, 503: 'Prefect could not be used; what was done before that stays.' })
  async reconcile(@Body() body: ReconcileBody, @Query() query: ReconcileQuery): Promise<ReconcileAnswer> {
    const order = reconcileOrder(body, query);
    return ReconcileAnswer.of(await this.reconciliation.reconcile(order), order);
  }
}
