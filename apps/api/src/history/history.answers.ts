import { ApiSchema } from '@nestjs/swagger';
import type { ColumnRecord, FileView, Page, SchemaChange, SchemaVersionView } from '@sluice/ingestion';
import { NULLABLE, Shown, ShownCount, ShownId, ShownTime } from '../fields/shown';
import { RunErrorAnswer } from '../runs/run.answers';

@ApiSchema({ name: 'File' })
export class FileAnswer {
  @Shown('Relative to the source.')
  path!: string;
  @Shown('Hash or etag of the content.')
  version!: string;
  @Shown('`changed`: a loaded path whose content is new now and which was left alone.', {
    enum: ['loaded', 'failed', 'changed'],
  })
  status!: string;
  @ShownCount('Rows that are in.')
  rows!: number;
  @ShownCount('Rows that were refused.')
  rejected!: number;
  @ShownCount('Its size.')
  bytes!: number;
  @Shown('The first thing that was wrong.', { type: RunErrorAnswer, ...NULLABLE })
  first_error!: RunErrorAnswer | null;
  @ShownId('The run that dealt with it last.')
  run_id!: string;
  @ShownTime('When it was first found.')
  first_seen_at!: string;
  @ShownTime('When it was last dealt with.')
  processed_at!: string;

  static of(view: FileView): FileAnswer {
    const { path, version, status, rows, rejected, bytes, first_error, run_id } = view;
    return {
      ...{ path, version, status, rows, rejected, bytes, run_id },
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

@ApiSchema({ name: 'Column' })
export class ColumnAnswer {
  @Shown('The name in the file.')
  source!: string;
  @Shown('The name in the table.')
  name!: string;
  @Shown('PostgreSQL type.', { example: 'bigint' })
  type!: string;

  static of({ source, name, type }: ColumnRecord): ColumnAnswer {
    return { source, name, type };
  }
}

@ApiSchema({ name: 'SchemaChange' })
export class SchemaChangeAnswer {
  @Shown('What was done about the column.', { enum: ['added', 'ignored'] })
  kind!: string;
  @Shown('Which column.')
  column!: string;
  @Shown('PostgreSQL type.')
  type!: string;

  static of({ kind, column, type }: SchemaChange): SchemaChangeAnswer {
    return { kind, column, type };
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
