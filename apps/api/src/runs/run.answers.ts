import { ApiSchema } from '@nestjs/swagger';
import type { Page, RunCancel, RunError, RunMetrics, RunParameters, RunView } from '@sluice/ingestion';
import { RUN_STATUSES } from '@sluice/ingestion';
import type { LogLine } from '@sluice/orchestration-gateway';
import { NULLABLE, Shown, ShownCount, ShownId, ShownTime, timeOrNull } from '../fields/shown';

const NEW: RunParameters = { kind: 'load', from: null, until: null, path_prefix: null };

@ApiSchema({ name: 'RunMetrics' })
export class RunMetricsAnswer {
  @ShownCount('New or changed files that were found.')
  files_discovered!: number;
  @ShownCount('Files that were loaded.')
  files_processed!: number;
  @ShownCount('Files of which nothing is in.')
  files_failed!: number;
  @ShownCount('Rows that were committed.')
  rows_ingested!: number;
  @ShownCount('Rows that were refused.')
  rows_rejected!: number;
  @ShownCount('Bytes of source files.')
  bytes_read!: number;
  @ShownCount('Milliseconds.')
  duration_ms!: number;

  static of(metrics: RunMetrics): RunMetricsAnswer {
    const { files_discovered, files_processed, files_failed, rows_ingested, rows_rejected } = metrics;
    const { bytes_read, duration_ms } = metrics;
    return { files_discovered, files_processed, files_failed, rows_ingested, rows_rejected, bytes_read, duration_ms };
  }
}

@ApiSchema({ name: 'RunError' })
export class RunErrorAnswer {
  @Shown('Path of the file it is about.', { type: String, ...NULLABLE })
  file!: string | null;
  @ShownCount('Counted from 1.', NULLABLE)
  line!: number | null;
  @Shown('Name of the column.', { type: String, ...NULLABLE })
  column!: string | null;
  @Shown(
    'Of a file or of loading: malformed, schema_mismatch, type_mismatch, auth, not_found, connectivity, permission, limit, destination, fenced, changed or unknown. Of the run itself also what ended it, such as FlowRunEnded.',
  )
  error_type!: string;
  @Shown('For a person.')
  message!: string;
  @Shown('Whether the same can succeed by itself later.')
  retryable!: boolean;

  static of({ file, line, column, error_type, message, retryable }: RunError): RunErrorAnswer {
    return { file, line, column, error_type, message, retryable };
  }
}

@ApiSchema({ name: 'RunCancel' })
export class RunCancelAnswer {
  @ShownTime('When somebody first asked.')
  requested_at!: string;
  @Shown('Why it has not ended yet; null once it has.', { type: String, ...NULLABLE })
  pending_because!: string | null;

  static of({ requested_at, pending_because }: RunCancel): RunCancelAnswer {
    return { requested_at: requested_at.toISOString(), pending_because };
  }
}

@ApiSchema({ name: 'Run' })
export class RunAnswer {
  @ShownId('This run.')
  id!: string;
  @ShownId('Its ingestion.')
  ingestion_id!: string;
  @ShownId('The flow run in Prefect; null before it is made.', NULLABLE)
  flow_run_id!: string | null;
  @Shown('What started it.', { enum: ['scheduled', 'manual', 'retry', 'refresh'] })
  trigger!: string;
  @ShownTime('The tick of the timetable it is for; null for what was started otherwise.', NULLABLE)
  planned_at!: string | null;
  @Shown(
    'What it is to do. `load`: all that is new, of files modified within [from, until) and below the prefix where given. `refresh`: the table anew (`scope` full or new_only). `retry`: failed files, `paths` or all (null), then all that is new.',
    { type: 'object', additionalProperties: true, example: NEW },
  )
  parameters!: RunParameters;
  @ShownId('The run this one does again.', NULLABLE)
  retry_of!: string | null;
  @Shown('That somebody asked to cancel it.', { type: RunCancelAnswer, ...NULLABLE })
  cancel!: RunCancelAnswer | null;
  @Shown(
    '`queued`: also while it waits for the active run (`overlap_policy` queue_one, replace). `partial`: some files failed. `skipped`: another run was active.',
    { enum: RUN_STATUSES },
  )
  status!: string;
  @ShownTime('When it was queued.')
  created_at!: string;
  @ShownTime('When its process began.', NULLABLE)
  started_at!: string | null;
  @ShownTime('When it ended.', NULLABLE)
  ended_at!: string | null;
  @Shown('What it did so far.', { type: RunMetricsAnswer })
  metrics!: RunMetricsAnswer;
  @Shown('At most 100.', { type: [RunErrorAnswer] })
  errors!: RunErrorAnswer[];

  static of(view: RunView): RunAnswer {
    return {
      id: view.id,
      ingestion_id: view.ingestion_id,
      flow_run_id: view.flow_run_id,
      trigger: view.trigger,
      planned_at: timeOrNull(view.planned_at),
      parameters: parametersOf(view.parameters),
      retry_of: view.retry_of,
      cancel: view.cancel && RunCancelAnswer.of(view.cancel),
      status: view.status,
      created_at: view.created_at.toISOString(),
      started_at: timeOrNull(view.started_at),
      ended_at: timeOrNull(view.ended_at),
      metrics: RunMetricsAnswer.of(view.metrics),
      errors: view.errors.map((error) => RunErrorAnswer.of(error)),
    };
  }
}

function parametersOf(parameters: RunParameters): RunParameters {
  switch (parameters.kind) {
    case 'load': {
      const { kind, from, until, path_prefix } = parameters;
      return { kind, from, until, path_prefix };
    }
    case 'refresh':
      return { kind: parameters.kind, scope: parameters.scope };
    case 'retry':
      return { kind: parameters.kind, paths: parameters.paths };
  }
}

@ApiSchema({ name: 'RunPage' })
export class RunPage {
  @Shown('Newest first.', { type: [RunAnswer] })
  items!: RunAnswer[];
  @Shown('`cursor` of the next page; null at the end.', { type: String, ...NULLABLE })
  next_cursor!: string | null;

  static of({ items, next_cursor }: Page<RunView>): RunPage {
    return { items: items.map((item) => RunAnswer.of(item)), next_cursor };
  }
}

@ApiSchema({ name: 'LogLine' })
export class LogLineAnswer {
  @ShownTime('When it was written.')
  at!: string;
  @Shown('How grave.', { enum: ['debug', 'info', 'warning', 'error', 'critical'] })
  level!: string;
  @Shown('The line.')
  message!: string;

  static of({ at, level, message }: LogLine): LogLineAnswer {
    return { at: at.toISOString(), level, message };
  }
}

@ApiSchema({ name: 'LogPage' })
export class LogPage {
  @Shown('Oldest first.', { type: [LogLineAnswer] })
  items!: LogLineAnswer[];
  @Shown('`cursor` of the next page; null at the end.', { type: String, ...NULLABLE })
  next_cursor!: string | null;

  static of({ items, next_cursor }: Page<LogLine>): LogPage {
    return { items: items.map((item) => LogLineAnswer.of(item)), next_cursor };
  }
}
