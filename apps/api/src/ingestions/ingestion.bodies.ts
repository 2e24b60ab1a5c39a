import { ApiSchema, OmitType } from '@nestjs/swagger';
import type { CreateIngestion, RefreshInput, RetryInput, TriggerInput, UpdateIngestion } from '@sluice/ingestion';
import { CHANGED_FILES, ON_SCHEMA_CHANGE } from '@sluice/ingestion';
import { FlagField, PartField, TextField, TextListField } from '../fields/fields';
import {
  DestinationBody,
  FormatBody,
  QualityBody,
  ScheduleBody,
  SchemaBody,
  SourceBody,
  SourceChangeBody,
} from './part.bodies';

const NAME = { description: 'Unique; 1 to 200 characters.', example: 'Seattle weather' };
const FORMAT = { description: 'How files are read; `auto` when left out.', required: false };
const SCHEDULE = {
  description: 'Absent or null: a draft without a deployment, which needs no Prefect and cannot be triggered.',
  required: false,
  nullable: true,
};
const ON_CHANGE = {
  description:
    'When the columns of a file are not those of the table: `append_new_columns` adds new ones, `sync_all_columns` also widens types and lets vanished columns be empty, `ignore` leaves new ones out, `rescue` puts unknown or unfitting values into `_rescued`, `fail` loads nothing.',
  available: ON_SCHEMA_CHANGE,
  required: false,
  default: 'append_new_columns',
};
const SCHEMA = { description: 'What is known of the columns before any file is read.', required: false };
const CHANGED = {
  description:
    'When a loaded path has new content: `skip` leaves it alone, `reload` loads it in place of its old rows, `fail` fails the run.',
  available: CHANGED_FILES,
  required: false,
  default: 'skip',
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

  @PartField(() => SchemaBody, SCHEMA)
  schema?: SchemaBody;

  @TextField(ON_CHANGE)
  on_schema_change?: string;

  @TextField(CHANGED)
  changed_files?: string;

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

  @PartField(() => SchemaBody, SCHEMA)
  schema?: SchemaBody;

  @TextField({ ...ON_CHANGE, default: undefined })
  on_schema_change?: string;

  @TextField({ ...CHANGED, default: undefined })
  changed_files?: string;

  @PartField(() => QualityBody, QUALITY)
  quality?: QualityBody;
}

/** As CreateIngestion; what is not about the files may be left out. */
@ApiSchema({ name: 'PreviewIngestion' })
export class PreviewBody extends OmitType(CreateIngestionBody, ['name', 'destination']) {
  @TextField({ ...NAME, required: false })
  name?: string;

  @PartField(() => DestinationBody, { description: 'Where rows would go.', required: false })
  destination?: DestinationBody;
}

/** What to load; all that is new when nothing is given. */
@ApiSchema({ name: 'TriggerRun' })
export class TriggerBody implements TriggerInput {
  @TextField({
    description:
      'Only files modified at this time or later: ISO 8601, a date (midnight UTC) or a time with its offset.',
    required: false,
    nullable: true,
    example: '2026-01-31T00:00:00Z',
  })
  from?: string | null;

  @TextField({
    description: 'Only files modified before this time.',
    required: false,
    nullable: true,
    example: '2026-02-01T00:00:00Z',
  })
  until?: string | null;

  @TextField({
    description: 'Only files whose path, relative to the source, begins so.',
    required: false,
    nullable: true,
    example: '2026/01/',
  })
  path_prefix?: string | null;
}

@ApiSchema({ name: 'RefreshIngestion' })
export class RefreshBody implements RefreshInput {
  @FlagField({ description: 'Must be true, unless it is a dry run.', required: false, default: false })
  confirm?: boolean;

  @FlagField({ description: 'Only say what would happen: files, bytes, rows.', required: false, default: false })
  dry_run?: boolean;
}

@ApiSchema({ name: 'RetryFiles' })
export class RetryFilesBody implements RetryInput {
  @TextListField({
    description: 'Only these; all that failed when left out.',
    required: false,
    example: ['2026/01.csv'],
  })
  paths?: string[];
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

/** Likewise. */
export const PREVIEW_EXAMPLE = {
  source: { type: 'file', path: 'data/sample/seattle_weather', file_pattern: '*.csv' },
};
