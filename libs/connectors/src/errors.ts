import type { Retry } from '@sluice/kernel';

/** The closed list of what can go wrong with data; `error_type` on the wire. */
export type LoadErrorType =
  | 'malformed'
  | 'schema_mismatch'
  | 'type_mismatch'
  | 'auth'
  | 'not_found'
  | 'connectivity'
  | 'permission'
  | 'limit'
  | 'destination'
  | 'fenced'
  | 'changed'
  | 'unknown';

/** Where in a file something was met. Lines count from 1, the header included; `line` is a row number for Parquet. */
export interface Place {
  line?: number | null;
  column?: string | null;
}

/** Something went wrong while loading. The message is a sentence with the value and the next step. */
export abstract class LoadError extends Error {
  abstract readonly type: LoadErrorType;
  abstract readonly retry: Retry;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** One file cannot be loaded as it is; the others can. */
export class BadFile extends LoadError {
  readonly retry: Retry;

  constructor(
    readonly type: LoadErrorType,
    message: string,
    readonly place: Place = {},
    options?: ErrorOptions & { retry?: Retry },
  ) {
    super(message, options);
    this.retry = options?.retry ?? 'never';
  }
}

/** A file has columns that the plan does not know; nothing of it has been committed. */
export class UnknownColumns extends LoadError {
  readonly type = 'schema_mismatch';
  readonly retry = 'never';

  constructor(readonly columns: readonly string[]) {
    super(`The file has columns that the table does not have: ${columns.join(', ')}.`);
  }
}

/** The source as a whole cannot be read. */
export class SourceError extends LoadError {
  constructor(
    readonly type: 'not_found' | 'permission' | 'connectivity' | 'limit',
    message: string,
    readonly retry: Retry,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** The destination refused or went away; `retry` says whether the next run may succeed as things stand. */
export class DestinationError extends LoadError {
  constructor(
    readonly type: 'destination' | 'connectivity' | 'auth' | 'permission' | 'limit' | 'schema_mismatch',
    message: string,
    readonly retry: Retry,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Another run has taken over the lease: whatever this one had not committed is rolled back. */
export class Fenced extends LoadError {
  readonly type = 'fenced';
  readonly retry = 'later';

  constructor(what = 'Another run has taken over this ingestion') {
    super(`${what}; what was not committed was rolled back and is loaded by the next run.`);
  }
}
