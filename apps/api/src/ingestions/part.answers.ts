import { ApiSchema } from '@nestjs/swagger';
import type {
  DestinationSpec,
  FormatOptions,
  FormatSpec,
  Freshness,
  IngestionMetadata,
  IngestionView,
  QualitySpec,
  ScheduleSpec,
  SchemaSpec,
  TickCounts,
} from '@sluice/ingestion';
import {
  FREQUENCIES,
  FORMAT_TYPES,
  MISSED_RUNS,
  ON_ERROR,
  OVERLAP_POLICIES,
  RUN_STATUSES,
  SOURCE_TYPES,
  WRITE_MODES,
} from '@sluice/ingestion';
import { NULLABLE, Shown, ShownCount, ShownId, ShownTime, timeOrNull } from '../fields/shown';

const EMPTY_OBJECT = { type: 'object', additionalProperties: true } as const;

@ApiSchema({ name: 'Source' })
export class SourceAnswer {
  @Shown('Kind of source.', { enum: SOURCE_TYPES })
  type!: string;
  @Shown('Folder.')
  path!: string;
  @Shown('Glob relative to `path`.')
  file_pattern!: string;
  @Shown('Settings of this kind of source.', EMPTY_OBJECT)
  options!: Record<string, unknown>;
  @Shown('Which keys are set; never a value.', { type: [String], example: ['token'] })
  credentials!: string[];

  static of({ type, path, file_pattern, options, credentials }: IngestionView['source']): SourceAnswer {
    return { type, path, file_pattern, options, credentials };
  }
}

@ApiSchema({ name: 'Format' })
export class FormatAnswer {
  @Shown('`auto` goes by the name of each file.', { enum: FORMAT_TYPES })
  type!: string;
  @Shown('How text is written; what is not here is found out from the files.', EMPTY_OBJECT)
  options!: FormatOptions;

  static of({ type, options }: FormatSpec): FormatAnswer {
    return { type, options };
  }
}

@ApiSchema({ name: 'Schema' })
export class SchemaAnswer {
  @Shown('PostgreSQL types by the name in the file; locked.', {
    type: 'object',
    additionalProperties: { type: 'string' },
    example: { zip: 'text' },
  })
  columns!: Record<string, string>;
  @Shown('Every column not named in `columns` is text.')
  all_text!: boolean;
  @Shown('`given`: the columns are exactly those of `columns`.', { enum: ['infer', 'given'] })
  mode!: string;
  @Shown('All types are locked.')
  locked!: boolean;
  @Shown('With `sync_all_columns`: columns that vanish from the files are dropped.')
  drop_removed!: boolean;

  static of({ columns, all_text, mode, locked, drop_removed }: SchemaSpec): SchemaAnswer {
    return { columns, all_text, mode, locked, drop_removed };
  }
}

@ApiSchema({ name: 'Destination' })
export class DestinationAnswer {
  @Shown('Schema of the destination database.')
  schema!: string;
  @Shown('Table in it.')
  table!: string;
  @Shown('What happens to rows that are there.', { enum: WRITE_MODES })
  write_mode!: string;
  @Shown('Columns that tell rows apart.', { type: [String] })
  merge_keys!: string[];

  static of({ schema, table, write_mode, merge_keys }: DestinationSpec): DestinationAnswer {
    return { schema, table, write_mode, merge_keys };
  }
}

@ApiSchema({ name: 'Schedule' })
export class ScheduleAnswer {
  @Shown('`manual` runs only when triggered.', { enum: FREQUENCIES })
  frequency!: string;
  @Shown('HH:MM.', { example: '14:30' })
  time!: string;
  @ShownCount('0 is Sunday.')
  day_of_week!: number;
  @ShownCount('1 to 31.')
  day_of_month!: number;
  @Shown('IANA name.', { example: 'UTC' })
  timezone!: string;
  @Shown('For `custom`.', { type: String, ...NULLABLE })
  cron_expression!: string | null;
  @Shown('What a trigger or a tick does while a run is active.', { enum: OVERLAP_POLICIES })
  overlap_policy!: string;
  @Shown('What happens to ticks that could not run in time.', { enum: MISSED_RUNS })
  missed_runs!: string;

  static of(spec: ScheduleSpec): ScheduleAnswer {
    const { frequency, time, day_of_week, day_of_month, timezone, cron_expression, overlap_policy, missed_runs } = spec;
    return { frequency, time, day_of_week, day_of_month, timezone, cron_expression, overlap_policy, missed_runs };
  }
}

@ApiSchema({ name: 'Quality' })
export class QualityAnswer {
  @Shown('What a bad row does.', { enum: ON_ERROR })
  on_error!: string;
  @Shown('Rows of one file that may be left out: a number, or a share such as "5%". Null: no limit.', {
    oneOf: [{ type: 'integer' }, { type: 'string' }],
    ...NULLABLE,
  })
  max_rejected_rows!: number | string | null;
  @ShownCount('Rows a run must have.', NULLABLE)
  min_rows!: number | null;
  @Shown('Percent by which a run may fall short of the last ones.', { type: Number, ...NULLABLE })
  max_drop_percent!: number | null;
  @ShownCount('Seconds without a success after which its data is stale. Null: not watched.', NULLABLE)
  max_age_seconds!: number | null;

  static of({ on_error, max_rejected_rows, min_rows, max_drop_percent, max_age_seconds }: QualitySpec): QualityAnswer {
    return { on_error, max_rejected_rows, min_rows, max_drop_percent, max_age_seconds };
  }
}

@ApiSchema({ name: 'Freshness' })
export class FreshnessAnswer {
  @Shown('`unwatched`: it has no limit, is a draft, or was paused by a person.', {
    enum: ['fresh', 'stale', 'unwatched'],
  })
  status!: string;
  @ShownTime(
    'The end of the last run that was a success and looked at all files; or when it was made, scheduled or resumed, if that is later.',
  )
  fresh_at!: string;
  @ShownTime('Since when it is stale.', NULLABLE)
  stale_since!: string | null;
  @ShownCount('The limit, `quality.max_age_seconds`.', NULLABLE)
  max_age_seconds!: number | null;

  static of({ status, fresh_at, stale_since, max_age_seconds }: Freshness): FreshnessAnswer {
    return { status, fresh_at: fresh_at.toISOString(), stale_since: timeOrNull(stale_since), max_age_seconds };
  }
}

@ApiSchema({ name: 'IngestionMetadata' })
export class MetadataAnswer {
  @ShownId('The newest run.', NULLABLE)
  last_run_id!: string | null;
  @ShownTime('When it started; when it was queued, if it has not started.', NULLABLE)
  last_run_time!: string | null;
  @Shown('How it stands.', { type: String, enum: RUN_STATUSES, ...NULLABLE })
  last_run_status!: string | null;
  @ShownTime('What Prefect has planned; null when nothing is, or when Prefect cannot be asked.', NULLABLE)
  next_run_time!: string | null;
  @ShownCount('0 before the first file.')
  schema_version!: number;
  @ShownCount('Runs in a row that have failed or crashed. Skipped and cancelled ones do not count.')
  consecutive_failures!: number;
  @Shown('How old its data is.', { type: FreshnessAnswer })
  freshness!: FreshnessAnswer;

  static of(metadata: IngestionMetadata): MetadataAnswer {
    const { last_run_id, last_run_time, last_run_status, next_run_time, schema_version } = metadata;
    return {
      last_run_id,
      last_run_time: timeOrNull(last_run_time),
      last_run_status,
      next_run_time: timeOrNull(next_run_time),
      schema_version,
      consecutive_failures: metadata.consecutive_failures,
      freshness: FreshnessAnswer.of(metadata.freshness),
    };
  }
}

@ApiSchema({ name: 'Counters' })
export class CountersAnswer {
  @ShownCount('Ticks that could not run in time and were left out (`missed_runs` none).')
  missed!: number;
  @ShownCount(
    'Ticks given up for a later one (`missed_runs` latest), and runs ended for another (`overlap_policy` replace).',
  )
  superseded!: number;
  @ShownCount('Ticks left out because a run was active, or because one waited already.')
  overlap_skipped!: number;

  static of({ missed, superseded, overlap_skipped }: TickCounts): CountersAnswer {
    return { missed, superseded, overlap_skipped };
  }
}
