import { applyDecorators } from '@nestjs/common';
import {
  EVENT_KINDS,
  type ListEvents,
  type ListIngestions,
  type ListRejectedRows,
  type PageRequest,
} from '@sluice/ingestion';
import { IsIn, IsOptional } from 'class-validator';
import { ApiProperty } from '@nestjs/swagger';
import { QueryNumberField, TextField } from './fields';

export class PageQuery implements PageRequest {
  @QueryNumberField({ description: 'Items of a page.', required: false, default: 50, minimum: 1, maximum: 200 })
  limit?: number;

  @TextField({ description: '`next_cursor` of the page before.', required: false })
  cursor?: string;
}

export class ListIngestionsQuery extends PageQuery implements Omit<ListIngestions, 'stale'> {
  @TextField({ description: 'Only these.', available: ['draft', 'active', 'paused', 'error'], required: false })
  status?: string;

  @TextField({ description: 'The whole name, as it is written.', required: false })
  name?: string;

  @QueryFlagField({ description: '`true`: only those whose data is stale; `false`: only the others.' })
  stale?: string;
}

export class ListEventsQuery extends PageQuery implements ListEvents {
  @TextField({ description: 'Only of this ingestion, which may have been deleted since.', required: false })
  ingestion_id?: string;

  @TextField({ description: 'Only these.', available: EVENT_KINDS, required: false })
  kind?: string;
}

export class ListRejectedRowsQuery extends PageQuery implements ListRejectedRows {
  @TextField({ description: 'Only of this run.', required: false })
  run_id?: string;

  @TextField({
    description: 'Only of this file: the whole path, as the files of the ingestion show it.',
    required: false,
  })
  path?: string;
}

export class DeleteIngestionQuery {
  @QueryFlagField({ description: '`true`: its table is dropped too, if Sluice made it. Default: the table stays.' })
  drop_table?: string;
}

export class ForgetFilesQuery {
  @QueryFlagField({ description: '`true`: although the table holds rows, which the next run will load again.' })
  confirm?: string;
}

export class ReconcileQuery {
  @QueryFlagField({ description: 'As in the body. Where the two differ it is a dry run.' })
  dry_run?: string;
}

/** Whether a flag of a query is set. */
export function isSet(flag: string | undefined): boolean {
  return flag === 'true';
}

/** Where it makes a difference whether it is left out. */
export function flagOf(flag: string | undefined): boolean | undefined {
  return flag === undefined ? undefined : isSet(flag);
}

/** A flag of a query comes as text; whatever is neither `true` nor `false` is refused, for it may be meant either way. */
function QueryFlagField({ description }: { description: string }): PropertyDecorator {
  return applyDecorators(
    ApiProperty({ description, enum: ['true', 'false'], required: false }),
    IsOptional(),
    IsIn(['true', 'false'], { message: '$property must be true or false' }),
  );
}
