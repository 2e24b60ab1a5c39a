import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Put, Query, Res } from '@nestjs/common';
import {
  ApiBody,
  ApiCreatedResponse,
  ApiHeader,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '@nestjs/swagger';
import { IngestionService } from '@sluice/ingestion';
import type { Response } from 'express';
import { DeleteIngestionQuery, flagOf, isSet, ListIngestionsQuery } from '../fields/queries';
import { BASE, pathOf } from '../http/base-path';
import { IdempotencyKey } from '../http/idempotency-key';
import { UuidPipe } from '../http/validation';
import { IDEMPOTENCY_KEY, LOCATION } from '../openapi/headers';
import { BODY_PROBLEMS, Problems } from '../openapi/problems';
import { IngestionAnswer, IngestionPage } from './ingestion.answers';
import { CREATE_EXAMPLE, CreateIngestionBody, UPDATE_EXAMPLE, UpdateIngestionBody } from './ingestion.bodies';

const UPDATE_PROBLEMS = {
  ...BODY_PROBLEMS,
  404: 'No such ingestion.',
  409: 'Another operation on it is under way, or the name is taken.',
  503: 'The schedule would change and Prefect could not be used; nothing has changed.',
} as const;
const UPDATE_TEXT =
  'Any subset of name, format, schema, schedule, quality, on_schema_change, changed_files and source.credentials; fields left out stay. Only a changed schedule needs Prefect.';

@ApiTags('ingestions')
@Controller(`${BASE}/ingestions`)
export class IngestionsController {
  constructor(private readonly ingestions: IngestionService) {}

  @Post()
  @ApiOperation({
    operationId: 'createIngestion',
    summary: 'Create an ingestion',
    description: 'With a schedule it gets a deployment in Prefect and is `active`; without one it is a `draft`.',
  })
  @ApiHeader(IDEMPOTENCY_KEY)
  @ApiBody({
    type: CreateIngestionBody,
    examples: { sample: { summary: 'The bundled weather sample', value: CREATE_EXAMPLE } },
  })
  @ApiCreatedResponse({ type: IngestionAnswer, headers: LOCATION })
  @Problems({
    ...BODY_PROBLEMS,
    409: 'The name is taken, the Idempotency-Key came with another body or its first call is under way, or of the ingestions of the table one overwrites it.',
    503: 'It has a schedule and Prefect could not be used; nothing was created.',
  })
  async create(
    @Body() body: CreateIngestionBody,
    @IdempotencyKey() idempotencyKey: string | undefined,
    @Res({ passthrough: true }) response: Response,
  ): Promise<IngestionAnswer> {
    const created = await this.ingestions.createIngestion(body, { idempotencyKey });
    response.location(pathOf.ingestion(created.id));
    return IngestionAnswer.of(created);
  }

  @Get()
  @ApiOperation({ operationId: 'listIngestions', summary: 'List ingestions, newest first' })
  @ApiOkResponse({ type: IngestionPage })
  @Problems({ 400: true })
  async list(@Query() query: ListIngestionsQuery): Promise<IngestionPage> {
    const { limit, cursor, status, name, stale } = query;
    const request = { limit, cursor, status, name, stale: flagOf(stale) };
    return IngestionPage.of(await this.ingestions.listIngestions(request));
  }

  @Get(':id')
  @ApiOperation({ operationId: 'getIngestion', summary: 'Show an ingestion' })
  @ApiOkResponse({ type: IngestionAnswer })
  @Problems({ 400: true, 404: 'No such ingestion.' })
  async get(@Param('id', UuidPipe) id: string): Promise<IngestionAnswer> {
    return IngestionAnswer.of(await this.ingestions.getIngestion(id));
  }

  @Put(':id')
  @ApiOperation({ operationId: 'updateIngestion', summary: 'Change an ingestion', description: UPDATE_TEXT })
  @ApiBody({ type: UpdateIngestionBody, examples: { schedule: { summary: 'Daily at 14:30', value: UPDATE_EXAMPLE } } })
  @ApiOkResponse({ type: IngestionAnswer })
  @Problems(UPDATE_PROBLEMS)
  async update(@Param('id', UuidPipe) id: string, @Body() body: UpdateIngestionBody): Promise<IngestionAnswer> {
    return IngestionAnswer.of(await this.ingestions.updateIngestion(id, body));
  }

  @Patch(':id')
  @ApiOperation({
    operationId: 'patchIngestion',
    summary: 'Change an ingestion (the same as PUT)',
    description: UPDATE_TEXT,
  })
  @ApiBody({ type: UpdateIngestionBody, examples: { schedule: { summary: 'Daily at 14:30', value: UPDATE_EXAMPLE } } })
  @ApiOkResponse({ type: IngestionAnswer })
  @Problems(UPDATE_PROBLEMS)
  patch(@Param('id', UuidPipe) id: string, @Body() body: UpdateIngestionBody): Promise<IngestionAnswer> {
    return this.update(id, body);
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({
    operationId: 'deleteIngestion',
    summary: 'Delete an ingestion',
    description:
      'Goes through while Prefect is down and while another operation is under way; active flow runs are cancelled. The table stays, unless it is to be dropped and Sluice made it: then whatever still writes into it is ended, and its history goes with it.',
  })
  @ApiNoContentResponse({ description: 'It is gone. Its deployment in Prefect goes too, later if Prefect is down.' })
  @Problems({
    400: true,
    404: 'No such ingestion.',
    409: 'With drop_table: another ingestion loads into the table too. Nothing was deleted.',
    503: 'With drop_table: the destination could not be used. Nothing was deleted.',
  })
  async delete(@Param('id', UuidPipe) id: string, @Query() query: DeleteIngestionQuery): Promise<void> {
    await this.ingestions.deleteIngestion(id, { dropTable: isSet(query.drop_table) });
  }
}
