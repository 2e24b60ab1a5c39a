import { ApiSchema } from '@nestjs/swagger';
import type { IngestionView, Page, RefreshEstimate, Triggered } from '@sluice/ingestion';
import { CHANGED_FILES, ON_SCHEMA_CHANGE } from '@sluice/ingestion';
import { NULLABLE, Shown, ShownCount, ShownId, ShownTime } from '../fields/shown';
import {
  CountersAnswer,
  DestinationAnswer,
  FormatAnswer,
  MetadataAnswer,
  QualityAnswer,
  ScheduleAnswer,
  SchemaAnswer,
  SourceAnswer,
} from './part.answers';

@ApiSchema({ name: 'Ingestion' })
export class IngestionAnswer {
  @ShownId('Also in the name of its deployment in Prefect, `ingestion-<id>`.')
  id!: string;
  @Shown('Unique.')
  name!: string;
  @Shown('`draft` has no deployment; `paused` and `error` run only when triggered.', {
    enum: ['draft', 'active', 'paused', 'error'],
  })
  status!: string;
  @Shown('With `error`: why it has paused itself. Resume it once that is mended.', { type: String, ...NULLABLE })
  error_reason!: string | null;
  @Shown('Where data lies.', { type: SourceAnswer })
  source!: SourceAnswer;
  @Shown('How files are read.', { type: FormatAnswer })
  format!: FormatAnswer;
  @Shown('Where rows go.', { type: DestinationAnswer })
  destination!: DestinationAnswer;
  @Shown('When it runs.', { type: ScheduleAnswer, ...NULLABLE })
  schedule!: ScheduleAnswer | null;
  @Shown('What is known of the columns.', { type: SchemaAnswer })
  schema!: SchemaAnswer;
  @Shown('When the columns of a file are not those of the table.', { enum: ON_SCHEMA_CHANGE })
  on_schema_change!: string;
  @Shown('When a loaded path has new content.', { enum: CHANGED_FILES })
  changed_files!: string;
  @Shown('What makes a file or a run fail.', { type: QualityAnswer })
  quality!: QualityAnswer;
  @ShownId('Its deployment in Prefect.', NULLABLE)
  prefect_deployment_id!: string | null;
  @Shown('What happened and what is planned.', { type: MetadataAnswer })
  metadata!: MetadataAnswer;
  @Shown('What became of ticks that were not run.', { type: CountersAnswer })
  counters!: CountersAnswer;
  @ShownTime('When it was created.')
  created_at!: string;
  @ShownTime('When it was last changed.')
  updated_at!: string;

  static of(view: IngestionView): IngestionAnswer {
    return {
      id: view.id,
      name: view.name,
      status: view.status,
      error_reason: view.error_reason,
      source: SourceAnswer.of(view.source),
      format: FormatAnswer.of(view.format),
      destination: DestinationAnswer.of(view.destination),
      schedule: view.schedule && ScheduleAnswer.of(view.schedule),
      schema: SchemaAnswer.of(view.schema),
      on_schema_change: view.on_schema_change,
      changed_files: view.changed_files,
      quality: QualityAnswer.of(view.quality),
      prefect_deployment_id: view.prefect_deployment_id,
      metadata: MetadataAnswer.of(view.metadata),
      counters: CountersAnswer.of(view.counters),
      created_at: view.created_at.toISOString(),
      updated_at: view.updated_at.toISOString(),
    };
  }
}

@ApiSchema({ name: 'IngestionPage' })
export class IngestionPage {
  @Shown('Newest first.', { type: [IngestionAnswer] })
  items!: IngestionAnswer[];
  @Shown('`cursor` of the next page; null at the end.', { type: String, ...NULLABLE })
  next_cursor!: string | null;

  static of({ items, next_cursor }: Page<IngestionView>): IngestionPage {
    return { items: items.map((item) => IngestionAnswer.of(item)), next_cursor };
  }
}

@ApiSchema({ name: 'Triggered' })
export class TriggeredAnswer {
  @Shown('Always this word.', { enum: ['triggered'] })
  status!: 'triggered';
  @Shown('Always this word.', { enum: ['prefect'] })
  method!: 'prefect';
  @ShownId('The flow run in Prefect.')
  flow_run_id!: string;
  @ShownId('The run in Sluice; follow it with GET /runs/{run_id}.')
  run_id!: string;
  @Shown('For a person.', { example: 'Ingestion run triggered via Prefect' })
  message!: string;

  static of({ flow_run_id, run_id }: Triggered): TriggeredAnswer {
    return {
      status: 'triggered',
      method: 'prefect',
      flow_run_id,
      run_id,
      message: 'Ingestion run triggered via Prefect',
    };
  }
}

@ApiSchema({ name: 'RefreshEstimate' })
export class RefreshEstimateAnswer {
  @Shown('Nothing was done.', { enum: [true], type: Boolean })
  dry_run!: true;
  @ShownCount('Files that would be loaded, as the source lists them now.')
  files!: number;
  @ShownCount('Their bytes.')
  bytes!: number;
  @ShownCount(
    'Rows they hold: of files that are in as they were counted when they were loaded; of the others an estimate by their bytes. Null while no file is in to go by.',
    NULLABLE,
  )
  rows!: number | null;

  static of({ files, bytes, rows }: RefreshEstimate): RefreshEstimateAnswer {
    return { dry_run: true, files, bytes, rows };
  }
}
