import { Body, Controller, HttpCode, Param, Post, Res } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiBody,
  ApiExtraModels,
  ApiHeader,
  ApiOperation,
  ApiTags,
  getSchemaPath,
} from '@nestjs/swagger';
import { IngestionService } from '@sluice/ingestion';
import type { Response } from 'express';
import { BASE, pathOf } from '../http/base-path';
import { IdempotencyKey } from '../http/idempotency-key';
import { UuidPipe } from '../http/validation';
import { IDEMPOTENCY_KEY, LOCATION } from '../openapi/headers';
import { BODY_PROBLEMS, Problems } from '../openapi/problems';
import { RefreshEstimateAnswer, TriggeredAnswer } from './ingestion.answers';
import { RefreshBody, RetryFilesBody } from './ingestion.bodies';

const REFRESH_PROBLEMS = {
  ...BODY_PROBLEMS,
  400: 'It is not confirmed, the ingestion has no deployment, or (dry run) the source cannot be listed. `new-only`: its write_mode is overwrite.',
  404: 'No such ingestion.',
  409: 'Another ingestion loads into the same table, a run is active (`run_id` says which), another operation is under way, or the Idempotency-Key came with another body.',
  503: 'Prefect could not be used: it will not run.',
} as const;
const EXAMPLES = {
  dry: { summary: 'What would happen', value: { dry_run: true } },
  do: { summary: 'Do it', value: { confirm: true } },
};
const STARTED_OR_ESTIMATED = {
  description: 'The run that was started, with its Location; of a dry run what would happen: nothing was done.',
  headers: LOCATION,
  schema: { oneOf: [{ $ref: getSchemaPath(TriggeredAnswer) }, { $ref: getSchemaPath(RefreshEstimateAnswer) }] },
};
const ASIDE =
  'The new table is built beside the old one, which stays readable until it is swapped, and whole if the run fails.';

@ApiTags('ingestions')
@ApiExtraModels(TriggeredAnswer, RefreshEstimateAnswer)
@Controller(`${BASE}/ingestions/:id`)
export class RefreshController {
  constructor(private readonly ingestions: IngestionService) {}

  @Post('refresh/full')
  @HttpCode(202)
  @ApiOperation({
    operationId: 'refreshFull',
    summary: 'Build the table anew from all files',
    description: `${ASIDE} Needs \`confirm\`.`,
  })
  @ApiHeader(IDEMPOTENCY_KEY)
  @ApiBody({ type: RefreshBody, examples: EXAMPLES })
  @ApiAcceptedResponse(STARTED_OR_ESTIMATED)
  @Problems(REFRESH_PROBLEMS)
  full(
    @Param('id', UuidPipe) id: string,
    @Body() body: RefreshBody,
    @IdempotencyKey() idempotencyKey: string | undefined,
    @Res({ passthrough: true }) response: Response,
  ): Promise<TriggeredAnswer | RefreshEstimateAnswer> {
    return this.refresh(id, 'full', { body, idempotencyKey }, response);
  }

  @Post('refresh/new-only')
  @HttpCode(202)
  @ApiOperation({
    operationId: 'refreshNewOnly',
    summary: 'Build the table anew from the files that were never loaded',
    description: `The rows that are in go, the history stays. ${ASIDE} Needs \`confirm\`.`,
  })
  @ApiHeader(IDEMPOTENCY_KEY)
  @ApiBody({ type: RefreshBody, examples: EXAMPLES })
  @ApiAcceptedResponse(STARTED_OR_ESTIMATED)
  @Problems(REFRESH_PROBLEMS)
  newOnly(
    @Param('id', UuidPipe) id: string,
    @Body() body: RefreshBody,
    @IdempotencyKey() idempotencyKey: string | undefined,
    @Res({ passthrough: true }) response: Response,
  ): Promise<TriggeredAnswer | RefreshEstimateAnswer> {
    return this.refresh(id, 'new_only', { body, idempotencyKey }, response);
  }

  @Post('files/retry')
  @HttpCode(202)
  @ApiOperation({
    operationId: 'retryFiles',
    summary: 'Try failed and quarantined files again',
    description: 'All of them or some, whatever their next attempt; the run then loads all that is new.',
  })
  @ApiHeader(IDEMPOTENCY_KEY)
  @ApiBody({ type: RetryFilesBody, required: false, examples: { all: { summary: 'All that failed', value: {} } } })
  @ApiAcceptedResponse({ type: TriggeredAnswer, headers: LOCATION })
  @Problems({
    ...BODY_PROBLEMS,
    400: 'No file has failed, a path is none that failed, or the ingestion has no deployment.',
    404: 'No such ingestion.',
    409: 'A run is active (`run_id` says which), another operation is under way, or the Idempotency-Key came with another body.',
    503: 'Prefect could not be used: it will not run.',
  })
  async retry(
    @Param('id', UuidPipe) id: string,
    @Body() body: RetryFilesBody,
    @IdempotencyKey() idempotencyKey: string | undefined,
    @Res({ passthrough: true }) response: Response,
  ): Promise<TriggeredAnswer> {
    const triggered = await this.ingestions.retryFiles(id, body, { idempotencyKey });
    response.location(pathOf.run(triggered.run_id));
    return TriggeredAnswer.of(triggered);
  }

  private async refresh(
    id: string,
    scope: 'full' | 'new_only',
    { body, idempotencyKey }: { body: RefreshBody; idempotencyKey: string | undefined },
    response: Response,
  ): Promise<TriggeredAnswer | RefreshEstimateAnswer> {
    const answer = await this.ingestions.refresh(id, scope, body, { idempotencyKey });
    if (!('run_id' in answer)) return RefreshEstimateAnswer.of(answer);
    response.location(pathOf.run(answer.run_id));
    return TriggeredAnswer.of(answer);
  }
}
