import type {
  DestinationInput,
  FormatInput,
  FormatOptions,
  QualityInput,
  ScheduleInput,
  SchemaInput,
  SourceInput,
} from '@sluice/ingestion';
import {
  FORMAT_TYPES,
  FREQUENCIES,
  MISSED_RUNS,
  ON_ERROR,
  OVERLAP_POLICIES,
  SOURCE_TYPES,
  VERIFY,
  WRITE_MODES,
} from '@sluice/ingestion';
import { type Encoding, ENCODINGS } from '@sluice/connectors';
import {
  FlagField,
  NumberField,
  NumberOrTextField,
  OpenObjectField,
  PartField,
  TextField,
  TextListField,
} from '../fields/fields';

const CREDENTIALS = {
  description:
    'Secrets the source is opened with. They go in and never come out: answers show only which keys are set. Null or {} removes them.',
  required: false,
  nullable: true,
  values: { type: 'string' },
} as const;

/** How a source is looked at. */
export class SourceOptionsBody {
  @TextField({
    description:
      'What proves that a file loaded before is unchanged. `quick`: the same size, modified time and inode. `full`: only its content, so every run reads every file again.',
    required: false,
    default: 'quick',
    available: VERIFY,
  })
  verify?: string;
}

/** Where data lies. */
export class SourceBody implements SourceInput {
  @TextField({ description: 'Kind of source.', available: SOURCE_TYPES, example: 'file' })
  type!: string;

  @TextField({
    description: 'Folder below one of SLUICE_FILE_ROOTS (embedded stack: ./data).',
    example: 'data/sample/seattle_weather',
  })
  path!: string;

  @TextField({
    description:
      'Glob relative to `path`: `*`, `**`, `?`, `[a-z]` and `{a,b}`, at most three `*` within one folder or file name and three `**`.',
    required: false,
    default: '*',
    example: '*.csv',
  })
  file_pattern?: string;

  @PartField(() => SourceOptionsBody, {
    description: 'Settings of this kind of source.',
    required: false,
    default: {},
  })
  options?: SourceOptionsBody;

  @OpenObjectField(CREDENTIALS)
  credentials?: Record<string, string> | null;
}

/** What of a source can be changed. */
export class SourceChangeBody {
  @OpenObjectField(CREDENTIALS)
  credentials?: Record<string, string> | null;
}

/** How text is written; what is left out is found out from the files. JSON has `encoding` only, Parquet and Avro have none. */
export class FormatOptionsBody implements FormatOptions {
  @TextField({ description: 'One ASCII character between fields.', required: false, example: ';' })
  delimiter?: string;

  @TextField({
    description: 'One ASCII character around fields; empty: nothing is quoted.',
    required: false,
    example: '"',
  })
  quote?: string;

  @TextField({ description: 'One ASCII character before a quote inside a field.', required: false, example: '"' })
  escape?: string;

  @FlagField({ description: 'Whether the first line holds the names.', required: false, example: true })
  header?: boolean;

  @NumberField({ description: 'Lines before the header or the first row.', required: false, minimum: 0, example: 0 })
  skip_lines?: number;

  @TextField({
    description:
      'UTF-8 and UTF-16 (with a byte order mark) are found out; the others must be given, for a guess could change values.',
    available: ENCODINGS,
    required: false,
    example: 'utf-8',
  })
  encoding?: Encoding;

  @TextListField({
    description: 'Unquoted words that stand for NULL, beside the empty value. Case matters.',
    required: false,
    example: ['NULL', 'n/a'],
  })
  null_values?: string[];

  @TextField({ description: 'The decimal mark.', available: ['.', ','], required: false, example: '.' })
  decimal?: '.' | ',';

  @TextField({
    description: 'Of YYYY, MM and DD; ISO 8601 when left out.',
    required: false,
    example: 'YYYY-MM-DD',
  })
  date_format?: string;

  @TextField({
    description: 'Of YYYY, MM, DD, HH, mm, ss and SSS (fraction); ISO 8601 when left out.',
    required: false,
    example: 'YYYY-MM-DD HH:mm:ss',
  })
  timestamp_format?: string;
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

  @PartField(() => FormatOptionsBody, { description: 'How text is written.', required: false })
  options?: FormatOptionsBody;
}

/** What is known of the columns before any file is read. */
export class SchemaBody implements SchemaInput {
  @OpenObjectField({
    description:
      'PostgreSQL types by the name in the file (usual aliases such as int and varchar too). Such a type is locked: no file changes it.',
    required: false,
    default: {},
    example: {},
    values: { type: 'string' },
  })
  columns?: Record<string, string>;

  @FlagField({ description: 'Every column not named in `columns` is text.', required: false, default: false })
  all_text?: boolean;

  @TextField({
    description: '`given`: the columns are exactly those of `columns`; whatever else a file has is a schema change.',
    available: ['infer', 'given'],
    required: false,
    default: 'infer',
  })
  mode?: string;

  @FlagField({ description: 'All types are locked, those found out too.', required: false, default: false })
  locked?: boolean;

  @FlagField({
    description:
      'With `sync_all_columns`: a column that the files no longer have is dropped from the table, with its values.',
    required: false,
    default: false,
  })
  drop_removed?: boolean;
}

/** Where rows go: a table of the one destination database. */
export class DestinationBody implements DestinationInput {
  @TextField({ description: 'Made if it is not there.', required: false, default: 'public', example: 'public' })
  schema?: string;

  @TextField({ description: 'Made from the first file if it is not there.', example: 'seattle_weather' })
  table!: string;

  @TextField({
    description:
      'What happens to rows that are there: `append` lets them be, `merge` replaces those with the same keys, `overwrite` makes the table all files listed at each run and needs it for itself.',
    available: WRITE_MODES,
    required: false,
    default: 'append',
  })
  write_mode?: string;

  @TextListField({
    description:
      'Columns that tell rows apart, as the files or the table name them; with `merge` only, and then at least one.',
    required: false,
    default: [],
  })
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
    description:
      'What a trigger or a tick does while a run is active. `skip`: the trigger answers 409, the tick ends `skipped`. `queue_one`: one waits for its end, another one is as with `skip`. `replace`: the active run is cancelled, and the new one begins when it has ended (up to 15 s).',
    available: OVERLAP_POLICIES,
    required: false,
    default: 'skip',
  })
  overlap_policy?: string;

  @TextField({
    description:
      'What happens to ticks that could not run in time, since a worker, Prefect or its scheduler was away. `latest`: the last one runs, as late as it is. `none`: what is later than a tenth of the time to the next tick (at least a minute, at most an hour) does not run.',
    available: MISSED_RUNS,
    required: false,
    default: 'latest',
  })
  missed_runs?: string;
}

/** What makes a file or a run fail. */
export class QualityBody implements QualityInput {
  @TextField({
    description:
      'What a bad row does: `fail_file` fails its file whole, `skip_rows` leaves the row out and keeps it among the rejected rows, `abort_run` fails the run with nothing loaded.',
    available: ON_ERROR,
    required: false,
    default: 'fail_file',
  })
  on_error?: string;

  @NumberOrTextField({
    description:
      'With `skip_rows`, of one file: a number, or a share of its rows such as "5%". More of them fail the file. Null: no limit.',
    required: false,
    nullable: true,
    example: 0,
  })
  max_rejected_rows?: number | string | null;

  @NumberField({
    description: 'A run that found new files and has fewer rows fails before it commits.',
    required: false,
    nullable: true,
    default: null,
    minimum: 0,
  })
  min_rows?: number | null;

  @NumberField({
    fractions: true,
    description:
      'A run with more than so many percent fewer rows than the mean of the last five that loaded any fails before it commits. Only runs that were to load all that is new count.',
    required: false,
    nullable: true,
    default: null,
    minimum: 0,
    maximum: 100,
  })
  max_drop_percent?: number | null;

  @NumberField({
    description:
      'Seconds without a run that was a success after which its data counts as stale, which an event and the metrics tell. Null: not watched.',
    required: false,
    nullable: true,
    default: null,
    minimum: 60,
    maximum: 315_360_000,
  })
  max_age_seconds?: number | null;
}
