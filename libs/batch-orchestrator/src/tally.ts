import { BadFile, LoadError, type RowRefused, type SourceEntry } from '@sluice/connectors';
import type { FileRecord, RunError, RunMetrics } from '@sluice/ingestion';

/** Errors kept of one run; more help nobody. */
export const MAX_ERRORS = 100;
const MAX_SHOWN_FILES = 50;

/** Counts what a run does. */
export class Tally {
  readonly metrics: RunMetrics = {
    files_discovered: 0,
    files_processed: 0,
    files_failed: 0,
    rows_ingested: 0,
    rows_rejected: 0,
    bytes_read: 0,
    duration_ms: 0,
  };
  readonly errors: RunError[] = [];
  readonly files: FileRecord[] = [];
  private readonly startedAt = performance.now();

  loaded(records: readonly FileRecord[]): void {
    for (const record of records) {
      this.metrics.files_processed++;
      this.metrics.rows_ingested += record.rows;
      this.metrics.bytes_read += record.bytes;
      this.show(record);
    }
  }

  failed(record: FileRecord): void {
    this.metrics.files_failed++;
    this.metrics.bytes_read += record.bytes;
    this.noticed(record);
  }

  noticed(record: FileRecord): void {
    if (record.first_error !== null) this.error(record.first_error);
    this.show(record);
  }

  error(error: RunError): void {
    if (this.errors.length < MAX_ERRORS) this.errors.push(error);
  }

  /** What ended the run goes before all that is wrong with files. */
  fault(error: RunError): void {
    this.errors.unshift(error);
    this.errors.splice(MAX_ERRORS);
  }

  /** The metrics as they stand now. */
  snapshot(): RunMetrics {
    return { ...this.metrics, duration_ms: Math.round(performance.now() - this.startedAt) };
  }

  private show(record: FileRecord): void {
    if (this.files.length >= MAX_SHOWN_FILES) this.files.shift();
    this.files.push(record);
  }
}

/** What a fault looks like on the wire. */
export function toRunError(error: unknown, file: string | null): RunError {
  const place = error instanceof BadFile ? error.place : {};
  return {
    file,
    line: place.line ?? null,
    column: place.column ?? null,
    error_type: error instanceof LoadError ? error.type : 'unknown',
    message: error instanceof Error ? error.message : String(error),
    retryable: error instanceof LoadError && error.retry === 'later',
  };
}

/** A row the server refused, told as the file's fault with the line of the file. */
export function refusedByServer(refused: RowRefused, line: number | null): BadFile {
  const where = line === null ? '' : `Line ${line}${refused.column === null ? '' : `, column ${refused.column}`}: `;
  return new BadFile(
    'destination',
    `${where}the destination refused the row: ${refused.message}.`,
    { line, column: refused.column },
    { cause: refused },
  );
}

export function failedRecord(entry: SourceEntry, error: unknown): FileRecord {
  return {
    path: entry.path,
    version: '',
    status: 'failed',
    rows: 0,
    rejected: 0,
    bytes: entry.bytes,
    first_error: toRunError(error, entry.path),
    load_id: null,
  };
}
