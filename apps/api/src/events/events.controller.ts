import { Controller, Get, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Events } from '@sluice/ingestion';
import { ListEventsQuery } from '../fields/queries';
import { BASE } from '../http/base-path';
import { Problems } from '../openapi/problems';
import { EventPage } from './event.answers';

@ApiTags('events')
@Controller(`${BASE}/events`)
export class EventsController {
  constructor(private readonly events: Events) {}

  @Get()
  @ApiOperation({
    operationId: 'listEvents',
    summary: 'List what somebody should hear of, newest first',
    description: 'Kept for 30 days, also of ingestions that were deleted. Sent to the webhook, if one is set.',
  })
  @ApiOkResponse({ type: EventPage })
  @Problems({ 400: true })
  async list(@Query() query: ListEventsQuery): Promise<EventPage> {
    return EventPage.of(await this.events.list(query));
  }
}
