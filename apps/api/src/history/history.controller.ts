import { Controller, Delete, Get, HttpCode, Param, Query } from '@nestjs/common';
import { ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { RunService } from '@sluice/ingestion';
import { ForgetFilesQuery, isSet, ListRejectedRowsQuery, PageQuery } from '../fields/queries';
import { BASE } from '../http/base-path';
import { UuidPipe, VersionPipe } from '../http/validation';
import { Problems } from '../openapi/problems';
import { FilePage, RejectedRowPage, SchemaVersionAnswer, SchemaVersionList } from './history.answers';

@ApiTags('history')
@Controller(`${BASE}/ingestions/:id`)
export class HistoryController {
  constructor(private readonly runs: RunService) {}

  @Get('files')
  @ApiOperation({ operationId: 'listFiles', summary: 'List the files an ingestion has dealt with, by path' })
  @ApiOkResponse({ type: FilePage })
  @Problems({ 400: true, 404: 'No such ingestion.' })
  async files(@Param('id', UuidPipe) id: string, @Query() query: PageQuery): Promise<FilePage> {
    return FilePage.of(await this.runs.listFiles(id, query));
  }

  @Delete('files')
  @HttpCode(204)
  @ApiOperation({
    operationId: 'forgetFiles',
    summary: 'Forget which files were loaded',
    description: 'The next run loads all files again. The table stays as it is.',
  })
  @ApiNoContentResponse({ description: 'The history is empty.' })
  @Problems({
    400: true,
    404: 'No such ingestion.',
    409: 'The table holds rows and `confirm` is not true, a run is active, or another operation is under way.',
    503: 'The destination could not be used; nothing was forgotten.',
  })
  async forget(@Param('id', UuidPipe) id: string, @Query() query: ForgetFilesQuery): Promise<void> {
    await this.runs.forgetFiles(id, { confirm: isSet(query.confirm) });
  }

  @Get('rejected-rows')
  @ApiOperation({ operationId: 'listRejectedRows', summary: 'List the rows that were left out, oldest first' })
  @ApiOkResponse({ type: RejectedRowPage })
  @Problems({ 400: true, 404: 'No such ingestion.', 503: 'The destination could not be used.' })
  async rejected(@Param('id', UuidPipe) id: string, @Query() query: ListRejectedRowsQuery): Promise<RejectedRowPage> {
    return RejectedRowPage.of(await this.runs.listRejectedRows(id, query));
  }

  @Get('schema-versions')
  @ApiOperation({ operationId: 'listSchemaVersions', summary: 'List how the columns of an ingestion have changed' })
  @ApiOkResponse({ type: SchemaVersionList })
  @Problems({ 400: true, 404: 'No such ingestion.' })
  async versions(@Param('id', UuidPipe) id: string): Promise<SchemaVersionList> {
    return SchemaVersionList.of(await this.runs.listSchemaVersions(id));
  }

  @Get('schema-versions/:n')
  @ApiOperation({ operationId: 'getSchemaVersion', summary: 'Show the columns of one version' })
  @ApiParam({ name: 'n', schema: { type: 'integer', minimum: 1 } })
  @ApiOkResponse({ type: SchemaVersionAnswer })
  @Problems({ 400: true, 404: 'No such ingestion, or no such version of it.' })
  async version(@Param('id', UuidPipe) id: string, @Param('n', VersionPipe) n: number): Promise<SchemaVersionAnswer> {
    return SchemaVersionAnswer.of(await this.runs.getSchemaVersion(id, n));
  }
}
