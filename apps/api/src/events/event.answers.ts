import { ApiSchema } from '@nestjs/swagger';
import { EVENT_KINDS, type EventView, type Page } from '@sluice/ingestion';
import { NULLABLE, Shown, ShownCount, ShownId, ShownTime, timeOrNull } from '../fields/shown';

const KINDS =
  '`failing`: many runs in a row have failed. `paused_by_failures`: so many that it has paused itself. `stale`: its data is older than it allows; `fresh` closes that. `quarantined`: files have failed as often as is allowed and are not tried again unasked. `drift_alarm`: Sluice and Prefect disagree by more than is mended unasked.';

@ApiSchema({ name: 'Event' })
export class EventAnswer {
  @ShownId('Also the header webhook-id of its delivery.')
  id!: string;
  @Shown(KINDS, { enum: EVENT_KINDS })
  kind!: string;
  @ShownId('Of which ingestion, which may have been deleted since; null where it is not about one.', NULLABLE)
  ingestion_id!: string | null;
  @Shown('For a person.')
  message!: string;
  @Shown('For programs; which, goes by the kind.', { type: 'object', additionalProperties: true })
  facts!: Record<string, unknown>;
  @ShownTime('When it happened.')
  created_at!: string;
  @Shown('Whether the webhook has it; `off`: none is set, or none was on its day. `given_up`: not within a day.', {
    enum: ['pending', 'delivered', 'given_up', 'off'],
  })
  delivery!: string;
  @ShownCount('Attempts to deliver it so far.')
  attempts!: number;
  @ShownTime('When the webhook took it.', NULLABLE)
  delivered_at!: string | null;
  @Shown('Why the last attempt failed.', { type: String, ...NULLABLE })
  last_error!: string | null;

  static of(view: EventView): EventAnswer {
    const { id, kind, ingestion_id, message, facts, delivery, attempts, last_error } = view;
    return {
      ...{ id, kind, ingestion_id, message, facts, delivery, attempts, last_error },
      created_at: view.created_at.toISOString(),
      delivered_at: timeOrNull(view.delivered_at),
    };
  }
}

@ApiSchema({ name: 'EventPage' })
export class EventPage {
  @Shown('Newest first.', { type: [EventAnswer] })
  items!: EventAnswer[];
  @Shown('`cursor` of the next page; null at the end.', { type: String, ...NULLABLE })
  next_cursor!: string | null;

  static of({ items, next_cursor }: Page<EventView>): EventPage {
    return { items: items.map((item) => EventAnswer.of(item)), next_cursor };
  }
}
