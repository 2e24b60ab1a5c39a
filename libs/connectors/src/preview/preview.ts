import type { Config } from '@sluice/kernel';
import type { ColumnType } from '../column';
import type { FormatChoice } from '../files';

export interface PreviewColumn {
  /** The name in the file. */
  source: string;
  /** The name in the table. */
  name: string;
  type: ColumnType;
  /** For a person. */
  why: string;
}

/** A row that would be refused. */
export interface PreviewRejection {
  file: string;
  line: number | null;
  column: string | null;
  reason: string;
  /** Perhaps cut; empty when the file as a whole cannot be read. */
  raw: string;
}

/** What files hold, as far as one looks before an ingestion is made. */
export interface Preview {
  columns: PreviewColumn[];
  /** The first rows as text, by name in the table. */
  rows: Record<string, string | null>[];
  files: number;
  bytes: number;
  /** `null`: what was read does not tell. */
  estimated_rows: number | null;
  rejected: PreviewRejection[];
  warnings: string[];
}

/** What is known of the columns before any file is read. */
export interface SchemaHints {
  /** Types by source name. */
  columns: Record<string, ColumnType>;
  all_text: boolean;
  mode: 'infer' | 'given';
}

/** What the preview process reads from its standard input: one JSON document. Holds secrets. */
export interface PreviewTask {
  source: {
    type: 'file';
    path: string;
    file_pattern: string;
    options: Record<string, unknown>;
    credentials: Record<string, string>;
  };
  format: FormatChoice;
  schema: SchemaHints;
  settings: PreviewSettings;
  /** Milliseconds after which it hands over what it has. */
  deadlineMs: number;
}

export type PreviewSettings = Pick<
  Config,
  | 'SLUICE_FILE_ROOTS'
  | 'SLUICE_TEMP_DIR'
  | 'SLUICE_READER_MEMORY_MB'
  | 'SLUICE_READER_THREADS'
  | 'SLUICE_MAX_EXPANDED_BYTES'
  | 'SLUICE_MAX_EXPANSION_RATIO'
  | 'SLUICE_MAX_RECORD_BYTES'
  | 'SLUICE_MAX_COLUMNS'
  | 'SLUICE_MAX_DEPTH'
>;

/**
 * What it writes to its standard output, one JSON document a line: each `preview` holds more than the one before, so that the last line counts
 * even when the process is ended. `fault`: the source or its files cannot be read at all; `path` is the field that says where they are.
 */
export type PreviewLine = { preview: Preview } | { fault: { message: string; path: string } };
