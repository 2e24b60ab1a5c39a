import { Controller, Get, Param, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { RunService } from '@sluice/ingestion';
import { PageQuery } from '../fields/queries';
import { BASE } from '../http/base-path';
import { UuidPipe, VersionPipe } from '../http/validation';
import { Problems } from '../openapi/problems';
import { FilePage, SchemaVersionAnswer, SchemaVersionList } from './history.answers';

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
