import { ApiSchema } from '@nestjs/swagger';
import type { CreateIngestion, TriggerInput, UpdateIngestion } from '@sluice/ingestion';
import { ON_SCHEMA_CHANGE } from '@sluice/ingestion';
import { PartField, TextField } from '../fields/fields';
import { DestinationBody, FormatBody, QualityBody, ScheduleBody, SourceBody, SourceChangeBody } from './part.bodies';

const NAME = { description: 'Unique; 1 to 200 characters.', example: 'Seattle weather' };
const FORMAT = { description: 'How files are read; `auto` when left out.', required: false };
const SCHEDULE = {
  description: 'Absent or null: a draft without a deployment, which needs no Prefect and cannot be triggered.',
  required: false,
  nullable: true,
};
const ON_CHANGE = {
  description:
    'When a file brings a column that was not there before: `append_new_columns` adds it, `ignore` leaves it out, `fail` fails the file.',
  available: ON_SCHEMA_CHANGE,
  required: false,
  default: 'append_new_columns',
};
const QUALITY = { description: 'What makes a file or a run fail.', required: false };

@ApiSchema({ name: 'CreateIngestion' })
export class CreateIngestionBody implements CreateIngestion {
  @TextField(NAME)
  name!: string;

  @PartField(() => SourceBody, { description: 'Where data lies.' })
  source!: SourceBody;

  @PartField(() => FormatBody, FORMAT)
  format?: FormatBody;

  @PartField(() => DestinationBody, { description: 'Where rows go.' })
  destination!: DestinationBody;

  @PartField(() => ScheduleBody, SCHEDULE)
  schedule?: ScheduleBody | null;

  @TextField(ON_CHANGE)
  on_schema_change?: string;

  @PartField(() => QualityBody, QUALITY)
  quality?: QualityBody;
}

/** Any subset: fields left out stay as they are; each part that is given replaces the stored one as a whole. */
@ApiSchema({ name: 'UpdateIngestion' })
export class UpdateIngestionBody implements UpdateIngestion {
  @TextField({ ...NAME, required: false })
  name?: string;

  @PartField(() => SourceChangeBody, { description: 'Only its credentials can be changed.', required: false })
  source?: SourceChangeBody;

  @PartField(() => FormatBody, { ...FORMAT, description: 'How files are read.' })
  format?: FormatBody;

  @PartField(() => ScheduleBody, {
    ...SCHEDULE,
    description: 'The first schedule makes the deployment, null removes it. Only a changed schedule needs Prefect.',
  })
  schedule?: ScheduleBody | null;

  @TextField({ ...ON_CHANGE, default: undefined })
  on_schema_change?: string;

  @PartField(() => QualityBody, QUALITY)
  quality?: QualityBody;
}

/** What to load; none of these is available yet. */
@ApiSchema({ name: 'TriggerRun' })
export class TriggerBody implements TriggerInput {
  @TextField({ description: 'Not available yet: refused when given.', required: false })
  from?: string;

  @TextField({ description: 'Not available yet: refused when given.', required: false })
  until?: string;

  @TextField({ description: 'Not available yet: refused when given.', required: false })
  path_prefix?: string;
}

/** Works as it stands on the embedded stack. */
export const CREATE_EXAMPLE = {
  name: 'Seattle weather',
  source: { type: 'file', path: 'data/sample/seattle_weather', file_pattern: '*.csv' },
  format: { type: 'csv' },
  destination: { schema: 'public', table: 'seattle_weather', write_mode: 'append' },
  schedule: { frequency: 'manual' },
  on_schema_change: 'append_new_columns',
};

export const UPDATE_EXAMPLE = { schedule: { frequency: 'daily', time: '14:30', timezone: 'Europe/Berlin' } };
