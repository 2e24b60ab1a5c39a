import { Controller, Get, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import { ApiAcceptedResponse, ApiHeader, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { RunService } from '@sluice/ingestion';
import type { Response } from 'express';
import { PageQuery } from '../fields/queries';
import { RejectedRowPage } from '../history/history.answers';
import { BASE, pathOf } from '../http/base-path';
import { IdempotencyKey } from '../http/idempotency-key';
import { UuidPipe } from '../http/validation';
import { TriggeredAnswer } from '../ingestions/ingestion.answers';
import { IDEMPOTENCY_KEY, LOCATION } from '../openapi/headers';
import { Problems } from '../openapi/problems';
import { LogPage, RunAnswer, RunPage } from './run.answers';

@ApiTags('runs')
@Controller(BASE)
export class RunsController {
  constructor(private readonly runs: RunService) {}

  @Get('ingestions/:id/runs')
  @ApiOperation({ operationId: 'listRuns', summary: 'List the runs of an ingestion, newest first' })
  @ApiOkResponse({ type: RunPage })
  @Problems({ 400: true, 404: 'No such ingestion.' })
  async list(@Param('id', UuidPipe) id: string, @Query() query: PageQuery): Promise<RunPage> {
    return RunPage.of(await this.runs.listRuns(id, query));
  }

  @Get('runs/:run_id')
  @ApiOperation({ operationId: 'getRun', summary: 'Show a run' })
  @ApiOkResponse({ type: RunAnswer })
  @Problems({ 400: true, 404: 'No such run.' })
  async get(@Param('run_id', UuidPipe) id: string): Promise<RunAnswer> {
    return RunAnswer.of(await this.runs.getRun(id));
  }

  @Post('runs/:run_id/cancel')
  @HttpCode(202)
  @ApiOperation({
    operationId: 'cancelRun',
    summary: 'Cancel a run',
    description:
      'A queued run is `cancelled` at once; the process of a running one ends within seconds, and nothing half loaded stays. While it has not ended, `cancel.pending_because` says why.',
  })
  @ApiAcceptedResponse({ type: RunAnswer, headers: LOCATION })
  @Problems({ 400: true, 404: 'No such run.', 409: 'It has ended already.', 503: true })
  async cancel(
    @Param('run_id', UuidPipe) id: string,
    @Res({ passthrough: true }) response: Response,
  ): Promise<RunAnswer> {
    const run = await this.runs.cancelRun(id);
    response.location(pathOf.run(run.id));
    return RunAnswer.of(run);
  }

  @Post('runs/:run_id/retry')
  @HttpCode(202)
  @ApiOperation({
    operationId: 'retryRun',
    summary: 'Do a run that has ended once more',
    description:
      'A new run with the same parameters and `retry_of`. A refresh is checked as if it were asked for anew.',
  })
  @ApiHeader(IDEMPOTENCY_KEY)
  @ApiAcceptedResponse({ type: TriggeredAnswer, headers: LOCATION })
  @Problems({
    400: 'The id is none, or the ingestion has no deployment.',
    404: 'No such run.',
    409: 'It has not ended, another run of its ingestion is active (`run_id` says which), another ingestion loads into the table that is to be built anew, or another operation is under way.',
    503: 'Prefect could not be used: it will not run.',
  })
  async retry(
    @Param('run_id', UuidPipe) id: string,
    @IdempotencyKey() idempotencyKey: string | undefined,
    @Res({ passthrough: true }) response: Response,
  ): Promise<TriggeredAnswer> {
    const triggered = await this.runs.retryRun(id, { idempotencyKey });
    response.location(pathOf.run(triggered.run_id));
    return TriggeredAnswer.of(triggered);
  }

  @Get('runs/:run_id/logs')
  @ApiOperation({
    operationId: 'listLogs',
    summary: 'Read the log of a run, oldest line first',
    description: 'Read from Prefect; empty before Prefect knows the run.',
  })
  @ApiOkResponse({ type: LogPage })
  @Problems({ 400: true, 404: 'No such run.', 503: 'Prefect could not be used.' })
  async logs(@Param('run_id', UuidPipe) id: string, @Query() query: PageQuery): Promise<LogPage> {
    return LogPage.of(await this.runs.logs(id, query));
  }

  @Get('runs/:run_id/rejected-rows')
  @ApiOperation({ operationId: 'listRejectedRowsOfRun', summary: 'List the rows that a run left out, oldest first' })
  @ApiOkResponse({ type: RejectedRowPage })
  @Problems({ 400: true, 404: 'No such run.', 503: 'The destination could not be used.' })
  async rejected(@Param('run_id', UuidPipe) id: string, @Query() query: PageQuery): Promise<RejectedRowPage> {
    return RejectedRowPage.of(await this.runs.listRejectedRowsOfRun(id, query));
  }
}
