import { ApiSchema } from '@nestjs/swagger';
import type { ColumnRecord, FileView, Page, RejectedRowView, SchemaChange, SchemaVersionView } from '@sluice/ingestion';
import { NULLABLE, Shown, ShownCount, ShownId, ShownTime, timeOrNull } from '../fields/shown';
import { RunErrorAnswer } from '../runs/run.answers';

@ApiSchema({ name: 'File' })
export class FileAnswer {
  @Shown('Relative to the source.')
  path!: string;
  @Shown('Hash or etag of the content.')
  version!: string;
  @Shown(
    '`failed`: nothing of it is in; it is tried again. `quarantined`: it failed as often as is allowed and is tried again when it changes, or by hand. `changed`: a loaded path whose content is new now and which was left alone.',
    { enum: ['loaded', 'failed', 'quarantined', 'changed'] },
  )
  status!: string;
  @ShownCount('Rows that are in.')
  rows!: number;
  @ShownCount('Rows that were refused.')
  rejected!: number;
  @ShownCount('Its size.')
  bytes!: number;
  @Shown('The first thing that was wrong.', { type: RunErrorAnswer, ...NULLABLE })
  first_error!: RunErrorAnswer | null;
  @ShownCount('Failed attempts so far.')
  attempts!: number;
  @ShownTime('When it is tried again, at the next run after it; only of failed files.', NULLABLE)
  next_attempt_at!: string | null;
  @ShownId('The run that dealt with it last.')
  run_id!: string;
  @ShownTime('When it was first found.')
  first_seen_at!: string;
  @ShownTime('When it was last dealt with.')
  processed_at!: string;

  static of(view: FileView): FileAnswer {
    const { path, version, status, rows, rejected, bytes, first_error, attempts, run_id } = view;
    return {
      ...{ path, version, status, rows, rejected, bytes, attempts, run_id },
      next_attempt_at: timeOrNull(view.next_attempt_at),
      first_error: first_error && RunErrorAnswer.of(first_error),
      first_seen_at: view.first_seen_at.toISOString(),
      processed_at: view.processed_at.toISOString(),
    };
  }
}

@ApiSchema({ name: 'FilePage' })
export class FilePage {
  @Shown('By path.', { type: [FileAnswer] })
  items!: FileAnswer[];
  @Shown('`cursor` of the next page; null at the end.', { type: String, ...NULLABLE })
  next_cursor!: string | null;

  static of({ items, next_cursor }: Page<FileView>): FilePage {
    return { items: items.map((item) => FileAnswer.of(item)), next_cursor };
  }
}

@ApiSchema({ name: 'RejectedRow' })
export class RejectedRowAnswer {
  @ShownId('The run that left it out.')
  run_id!: string;
  @Shown('The file it stands in.')
  path!: string;
  @Shown('Where `path` is a zip archive: the file within it, which `record` and `line` are of.', {
    type: String,
    ...NULLABLE,
  })
  member!: string | null;
  @ShownCount('Which record of the file it is, counted from 1.')
  record!: number;
  @ShownCount('Counted from 1; null for formats without lines.', NULLABLE)
  line!: number | null;
  @Shown('The column whose value did not fit.', { type: String, ...NULLABLE })
  column!: string | null;
  @Shown('What kind of fault, as in the errors of a run.', { example: 'type_mismatch' })
  error_type!: string;
  @Shown('For a person.')
  reason!: string;
  @Shown('The row as it stands in the file, cut after 64 KiB.')
  raw!: string;

  static of(view: RejectedRowView): RejectedRowAnswer {
    const { run_id, path, member, record, line, column, error_type, reason, raw } = view;
    return { run_id, path, member, record, line, column, error_type, reason, raw };
  }
}

@ApiSchema({ name: 'RejectedRowPage' })
export class RejectedRowPage {
  @Shown('Oldest first.', { type: [RejectedRowAnswer] })
  items!: RejectedRowAnswer[];
  @Shown('`cursor` of the next page; null at the end.', { type: String, ...NULLABLE })
  next_cursor!: string | null;

  static of({ items, next_cursor }: Page<RejectedRowView>): RejectedRowPage {
    return { items: items.map((item) => RejectedRowAnswer.of(item)), next_cursor };
  }
}

@ApiSchema({ name: 'Column' })
export class ColumnAnswer {
  @Shown('The name in the file.')
  source!: string;
  @Shown('The name in the table.')
  name!: string;
  @Shown('PostgreSQL type.', { example: 'bigint' })
  type!: string;
  @Shown('Nested fields of a column of JSON, as dotted paths.', { type: [String], example: ['address.zip'] })
  fields!: string[];
  @Shown('No file changes its type.')
  locked!: boolean;

  static of({ source, name, type, fields = [], locked = false }: ColumnRecord): ColumnAnswer {
    return { source, name, type, fields, locked };
  }
}

@ApiSchema({ name: 'SchemaChange' })
export class SchemaChangeAnswer {
  @Shown('What was done about the column.', { enum: ['added', 'removed', 'widened', 'retyped', 'nullable', 'ignored'] })
  kind!: string;
  @Shown('The name in the table; of a nested field `column.path`.')
  column!: string;
  @Shown('PostgreSQL type now; of a removed column the one it had.')
  type!: string;
  @Shown('Of a widened or retyped column: the type before.', { type: String, ...NULLABLE })
  before!: string | null;

  static of({ kind, column, type, before }: SchemaChange): SchemaChangeAnswer {
    return { kind, column, type, before: before ?? null };
  }
}

@ApiSchema({ name: 'SchemaVersion' })
export class SchemaVersionAnswer {
  @ShownCount('Counted from 1.')
  version!: number;
  @Shown('All columns from this version on.', { type: [ColumnAnswer] })
  columns!: ColumnAnswer[];
  @Shown('What is new against the version before.', { type: [SchemaChangeAnswer] })
  changes!: SchemaChangeAnswer[];
  @Shown('The file that brought it.')
  file!: string;
  @ShownTime('When it was first used.')
  created_at!: string;

  static of({ version, columns, changes, file, created_at }: SchemaVersionView): SchemaVersionAnswer {
    return {
      ...{ version, file },
      columns: columns.map((column) => ColumnAnswer.of(column)),
      changes: changes.map((change) => SchemaChangeAnswer.of(change)),
      created_at: created_at.toISOString(),
    };
  }
}

@ApiSchema({ name: 'SchemaVersionList' })
export class SchemaVersionList {
  @Shown('Newest first, all of them.', { type: [SchemaVersionAnswer] })
  items!: SchemaVersionAnswer[];
  @Shown('Always null.', { type: String, ...NULLABLE })
  next_cursor!: null;

  static of(versions: readonly SchemaVersionView[]): SchemaVersionList {
    return { items: versions.map((version) => SchemaVersionAnswer.of(version)), next_cursor: null };
  }
}
