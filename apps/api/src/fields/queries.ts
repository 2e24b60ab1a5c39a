import type { ListIngestions, PageRequest } from '@sluice/ingestion';
import { Equals, IsOptional } from 'class-validator';
import { ApiProperty } from '@nestjs/swagger';
import { QueryNumberField, TextField } from './fields';

export class PageQuery implements PageRequest {
  @QueryNumberField({ description: 'Items of a page.', required: false, default: 50, minimum: 1, maximum: 200 })
  limit?: number;

  @TextField({ description: '`next_cursor` of the page before.', required: false })
  cursor?: string;
}

export class ListIngestionsQuery extends PageQuery implements ListIngestions {
  @TextField({ description: 'Only these.', available: ['draft', 'active', 'paused', 'error'], required: false })
  status?: string;

  @TextField({ description: 'The whole name, as it is written.', required: false })
  name?: string;
}

export class DeleteIngestionQuery {
  @ApiProperty({
    description: '`true` is not available yet and refused; the table stays.',
    enum: ['false'],
    required: false,
  })
  @IsOptional()
  @Equals('false', {
    message:
      'drop_table is not available yet: nothing was deleted. Leave it out; the table then stays and you drop it yourself',
  })
  drop_table?: string;
}
