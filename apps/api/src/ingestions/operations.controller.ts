import { Body, Controller, HttpCode, Param, Post, Res } from '@nestjs/common';
import { ApiAcceptedResponse, ApiBody, ApiHeader, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { IngestionService } from '@sluice/ingestion';
import type { Response } from 'express';
import { BASE, pathOf } from '../http/base-path';
import { IdempotencyKey } from '../http/idempotency-key';
import { UuidPipe } from '../http/validation';
import { IDEMPOTENCY_KEY, LOCATION } from '../openapi/headers';
import { BODY_PROBLEMS, Problems } from '../openapi/problems';
import { IngestionAnswer, TriggeredAnswer } from './ingestion.answers';
import { TriggerBody } from './ingestion.bodies';

const RUN_EXAMPLES = {
  all: { summary: 'All that is new', value: {} },
  part: {
    summary: 'Files of January',
    value: { from: '2026-01-01', until: '2026-02-01' },
  },
};

const STATUS_PROBLEMS = {
  400: true,
  404: 'No such ingestion.',
  409: 'Another operation on it is under way.',
  503: true,
} as const;

@ApiTags('ingestions')
@Controller(`${BASE}/ingestions/:id`)
export class OperationsController {
  constructor(private readonly ingestions: IngestionService) {}

  @Post('run')
  @HttpCode(202)
  @ApiOperation({
    operationId: 'runIngestion',
    summary: 'Run an ingestion now',
    description: 'Makes a flow run in Prefect. Also for a paused ingestion: pause stops the timetable only.',
  })
  @ApiHeader(IDEMPOTENCY_KEY)
  @ApiBody({ type: TriggerBody, required: false, examples: RUN_EXAMPLES })
  @ApiAcceptedResponse({ type: TriggeredAnswer, headers: LOCATION })
  @Problems({
    ...BODY_PROBLEMS,
    400: 'The ingestion has no deployment, a limit is wrong, or there is one and the write_mode is overwrite.',
    404: 'No such ingestion.',
    409: 'A run is active (`run_id` says which), another operation is under way, or the Idempotency-Key came with another body.',
    503: 'Prefect could not be used: it will not run.',
  })
  async run(
    @Param('id', UuidPipe) id: string,
    @Body() body: TriggerBody,
    @IdempotencyKey() idempotencyKey: string | undefined,
    @Res({ passthrough: true }) response: Response,
  ): Promise<TriggeredAnswer> {
    const triggered = await this.ingestions.triggerManualRun(id, body, { idempotencyKey });
    response.location(pathOf.run(triggered.run_id));
    return TriggeredAnswer.of(triggered);
  }

  @Post('pause')
  @HttpCode(200)
  @ApiOperation({
    operationId: 'pauseIngestion',
    summary: 'Stop the timetable',
    description:
      'Repeatable. What runs goes on, and triggers by hand still work. Without a deployment only the status changes.',
  })
  @ApiOkResponse({ type: IngestionAnswer })
  @Problems(STATUS_PROBLEMS)
  async pause(@Param('id', UuidPipe) id: string): Promise<IngestionAnswer> {
    return IngestionAnswer.of(await this.ingestions.pauseIngestion(id));
  }

  @Post('resume')
  @HttpCode(200)
  @ApiOperation({
    operationId: 'resumeIngestion',
    summary: 'Take the timetable up again',
    description: 'Repeatable. Without a deployment only the status changes.',
  })
  @ApiOkResponse({ type: IngestionAnswer })
  @Problems(STATUS_PROBLEMS)
  async resume(@Param('id', UuidPipe) id: string): Promise<IngestionAnswer> {
    return IngestionAnswer.of(await this.ingestions.resumeIngestion(id));
  }
}
