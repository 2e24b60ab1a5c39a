import {
  BadFile,
  type FailureState,
  type LoadedFile,
  LoadError,
  type Place,
  type RowRefused,
  type SourceEntry,
} from '@sluice/connectors';
import { type FileRecord, NO_METRICS, type RunError, type RunMetrics } from '@sluice/ingestion';
import { RunAborted, SchemaChanged } from './faults';

/** Errors kept of one run; more help nobody. */
export const MAX_ERRORS = 100;
const MAX_SHOWN_FILES = 50;

/** Counts what a run does. */
export class Tally {
  readonly metrics: RunMetrics = { ...NO_METRICS };
  readonly errors: RunError[] = [];
  readonly files: FileRecord[] = [];
  /** The failed files it is to try again are due. Which then fail once more wait, whatever attempts follow. */
  madeDue = false;
  private readonly startedAt = performance.now();

  /** What another process had loaded of this run before it was gone. */
  goOnFrom(before: Partial<RunMetrics>): void {
    Object.assign(this.metrics, before);
  }

  loaded(records: readonly FileRecord[]): void {
    for (const record of records) {
      this.metrics.files_processed++;
      this.metrics.rows_ingested += record.rows;
      this.metrics.rows_rejected += record.rejected;
      this.metrics.bytes_read += record.bytes;
      this.noticed(record);
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

  /** A run that begins anew meets the same things again; they are told once. */
  error(error: RunError): void {
    const known = this.errors.some(({ file, message }) => file === error.file && message === error.message);
    if (!known && this.errors.length < MAX_ERRORS) this.errors.push(error);
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
  const { file: guilty = null, place = {} } = placeOf(error);
  return {
    file: file ?? guilty,
    line: place.line ?? null,
    column: place.column ?? null,
    error_type: error instanceof LoadError ? error.type : 'unknown',
    message: error instanceof Error ? error.message : String(error),
    retryable: error instanceof LoadError && error.retry === 'later',
  };
}

/** Faults of a whole run name the file they came about by. */
function placeOf(error: unknown): { file?: string; place?: Place } {
  if (error instanceof BadFile) return { place: error.place };
  if (error instanceof RunAborted) return { file: error.file, place: error.reason.place };
  return error instanceof SchemaChanged ? { file: error.file } : {};
}

/** A row the server refused, told as the file's fault with the line of the file. */
export function refusedByServer(refused: Pick<RowRefused, 'column' | 'message'>, line: number | null): BadFile {
  const where = line === null ? '' : `Line ${line}${refused.column === null ? '' : `, column ${refused.column}`}: `;
  return new BadFile(
    'destination',
    `${where}the destination refused the row: ${refused.message}.`,
    { line, column: refused.column },
    { cause: refused },
  );
}

export function loadedRecord({ entry, loadId, version, rows, rejected }: LoadedFile, note: BadFile | null): FileRecord {
  const { path, bytes } = entry;
  const first_error = note === null ? null : toRunError(note, path);
  const mirrored = { first_error, load_id: loadId.toString(), attempts: 0, next_attempt_at: null };
  return { path, version, status: 'loaded', rows, rejected, bytes, ...mirrored };
}

/** `state`: how often it has failed and when it is due; `null`: that is not counted. */
export function failedRecord({ path, bytes }: SourceEntry, error: unknown, state: FailureState | null): FileRecord {
  const isQuarantined = state !== null && state.nextAttemptAt === null;
  return {
    path,
    version: '',
    status: isQuarantined ? 'quarantined' : 'failed',
    ...{ rows: 0, rejected: 0, bytes },
    first_error: toRunError(error, path),
    load_id: null,
    attempts: state?.attempts ?? 0,
    next_attempt_at: state?.nextAttemptAt?.toISOString() ?? null,
  };
}
