import { ApiSchema } from '@nestjs/swagger';
import type { Preview, PreviewColumn, PreviewRejection } from '@sluice/connectors';
import { NULLABLE, Shown, ShownCount } from '../fields/shown';

@ApiSchema({ name: 'PreviewColumn' })
export class PreviewColumnAnswer {
  @Shown('The name in the file.')
  source!: string;
  @Shown('The name in the table.')
  name!: string;
  @Shown('PostgreSQL type.', { example: 'bigint' })
  type!: string;
  @Shown('Why this type, for a person.')
  why!: string;

  static of({ source, name, type, why }: PreviewColumn): PreviewColumnAnswer {
    return { source, name, type, why };
  }
}

@ApiSchema({ name: 'PreviewRejection' })
export class PreviewRejectionAnswer {
  @Shown('Path of the file.')
  file!: string;
  @ShownCount('Counted from 1; null for formats without lines.', NULLABLE)
  line!: number | null;
  @Shown('The column whose value does not fit.', { type: String, ...NULLABLE })
  column!: string | null;
  @Shown('For a person.')
  reason!: string;
  @Shown('The row as it stands in the file, perhaps cut; empty when the file as a whole cannot be read.')
  raw!: string;

  static of({ file, line, column, reason, raw }: PreviewRejection): PreviewRejectionAnswer {
    return { file, line, column, reason, raw };
  }
}

@ApiSchema({ name: 'Preview' })
export class PreviewAnswer {
  @Shown('What the files have, from a sample of the first ones.', { type: [PreviewColumnAnswer] })
  columns!: PreviewColumnAnswer[];
  @Shown('The first rows as text, by name in the table; long values are cut.', {
    type: 'array',
    items: { type: 'object', additionalProperties: { type: 'string', nullable: true } },
  })
  rows!: Record<string, string | null>[];
  @ShownCount('Files that match; at most 10,000 are counted.')
  files!: number;
  @ShownCount('Their bytes.')
  bytes!: number;
  @ShownCount('By the bytes of what was read; null when that does not tell.', NULLABLE)
  estimated_rows!: number | null;
  @Shown('Rows that would be refused, the first ones of the first 8 MiB.', { type: [PreviewRejectionAnswer] })
  rejected!: PreviewRejectionAnswer[];
  @Shown('What a person should know, also what was not looked at.', { type: [String] })
  warnings!: string[];

  static of({ columns, rows, files, bytes, estimated_rows, rejected, warnings }: Preview): PreviewAnswer {
    return {
      columns: columns.map((column) => PreviewColumnAnswer.of(column)),
      ...{ rows, files, bytes, estimated_rows },
      rejected: rejected.map((rejection) => PreviewRejectionAnswer.of(rejection)),
      warnings,
    };
  }
}
