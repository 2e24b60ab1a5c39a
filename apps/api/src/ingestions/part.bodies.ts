import type {
  DestinationInput,
  FormatInput,
  FormatOptions,
  QualityInput,
  ScheduleInput,
  SourceInput,
} from '@sluice/ingestion';
import { FORMAT_TYPES, FREQUENCIES, SOURCE_TYPES, WRITE_MODES } from '@sluice/ingestion';
import { FlagField, NumberField, OpenObjectField, PartField, TextField, TextListField } from '../fields/fields';

const CREDENTIALS = {
  description:
    'Secrets the source is opened with. They go in and never come out: answers show only which keys are set. Null or {} removes them.',
  required: false,
  nullable: true,
  values: { type: 'string' },
} as const;

/** Where data lies. */
export class SourceBody implements SourceInput {
  @TextField({ description: 'Kind of source.', available: SOURCE_TYPES, example: 'file' })
  type!: string;

  @TextField({
    description: 'Folder below one of SLUICE_FILE_ROOTS (embedded stack: ./data).',
    example: 'data/sample/seattle_weather',
  })
  path!: string;

  @TextField({ description: 'Glob relative to `path`.', required: false, default: '*', example: '*.csv' })
  file_pattern?: string;

  @OpenObjectField({ description: 'Settings of this kind of source.', required: false, default: {} })
  options?: Record<string, unknown>;

  @OpenObjectField(CREDENTIALS)
  credentials?: Record<string, string> | null;
}

/** What of a source can be changed. */
export class SourceChangeBody {
  @OpenObjectField(CREDENTIALS)
  credentials?: Record<string, string> | null;
}

/** How CSV is written; what is left out is found out from the files. */
export class FormatOptionsBody implements FormatOptions {
  @TextField({ description: 'One character between fields.', required: false, example: ';' })
  delimiter?: string;

  @TextField({ description: 'One character around fields.', required: false, example: '"' })
  quote?: string;

  @TextField({ description: 'One character before a quote inside a field.', required: false, example: '"' })
  escape?: string;

  @FlagField({ description: 'Whether the first line holds the names.', required: false, example: true })
  header?: boolean;
}

/** How files are read. */
export class FormatBody implements FormatInput {
  @TextField({
    description: '`auto` goes by the name of each file.',
    available: FORMAT_TYPES,
    required: false,
    default: 'auto',
  })
  type?: string;

  @PartField(() => FormatOptionsBody, { description: 'Only for CSV.', required: false })
  options?: FormatOptionsBody;
}

/** Where rows go: a table of the one destination database. */
export class DestinationBody implements DestinationInput {
  @TextField({ description: 'Made if it is not there.', required: false, default: 'public', example: 'public' })
  schema?: string;

  @TextField({ description: 'Made from the first file if it is not there.', example: 'seattle_weather' })
  table!: string;

  @TextField({
    description: 'What happens to rows that are there.',
    available: WRITE_MODES,
    required: false,
    default: 'append',
  })
  write_mode?: string;

  @TextListField({ description: 'Columns that tell rows apart; not with `append`.', required: false, default: [] })
  merge_keys?: string[];
}

/** When it runs. Each frequency uses the fields it needs and lets the others be. */
export class ScheduleBody implements ScheduleInput {
  @TextField({
    description: '`manual` has no timetable: it runs only when triggered. `custom` needs `cron_expression`.',
    available: FREQUENCIES,
    example: 'daily',
  })
  frequency!: string;

  @TextField({
    description: 'HH:MM; for `hourly` only the minutes count.',
    required: false,
    nullable: true,
    default: '00:00',
    example: '14:30',
  })
  time?: string | null;

  @NumberField({
    description: '`weekly`: 0 is Sunday.',
    required: false,
    nullable: true,
    default: 0,
    minimum: 0,
    maximum: 6,
  })
  day_of_week?: number | null;

  @NumberField({
    description: '`monthly`: a month without that day is passed over.',
    required: false,
    nullable: true,
    default: 1,
    minimum: 1,
    maximum: 31,
  })
  day_of_month?: number | null;

  @TextField({
    description: 'IANA name; offsets are refused.',
    required: false,
    default: 'UTC',
    example: 'Europe/Berlin',
  })
  timezone?: string;

  @TextField({
    description:
      '`custom`: exactly five fields (minute hour day-of-month month day-of-week), or @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly. What never fires is refused.',
    required: false,
    nullable: true,
    example: null,
  })
  cron_expression?: string | null;

  @TextField({
    description: 'What a trigger does while a run is active: `skip` answers 409.',
    available: ['skip'],
    required: false,
    default: 'skip',
  })
  overlap_policy?: string;

  @TextField({
    description: 'What happens to runs that were due while Prefect was away.',
    available: ['latest', 'none'],
    required: false,
    default: 'latest',
  })
  missed_runs?: string;
}

/** What makes a file or a run fail. Limits other than the defaults are not available yet. */
export class QualityBody implements QualityInput {
  @TextField({
    description: 'A file with a bad row fails whole.',
    available: ['fail_file'],
    required: false,
    default: 'fail_file',
  })
  on_error?: string;

  @NumberField({ description: 'Rows.', required: false, default: 0, maximum: 0 })
  max_rejected_rows?: number;

  @NumberField({ description: 'Rows. Not available yet.', required: false, nullable: true, default: null })
  min_rows?: number | null;

  @NumberField({ description: 'Percent. Not available yet.', required: false, nullable: true, default: null })
  max_drop_percent?: number | null;

  @NumberField({ description: 'Seconds. Not available yet.', required: false, nullable: true, default: null })
  max_age_seconds?: number | null;
}
