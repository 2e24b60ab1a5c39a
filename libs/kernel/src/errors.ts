/** Every stable error code the domain can raise. `apps/api` maps each to one HTTP status and the compiler keeps the map whole. */
export const ERROR_CODES = [
  'VALUE_ERROR',
  'INGESTION_NOT_FOUND',
  'RUN_NOT_FOUND',
  'SCHEMA_VERSION_NOT_FOUND',
  'CONFLICT',
  'NAME_TAKEN',
  'RUN_ACTIVE',
  'ORCHESTRATION_UNAVAILABLE',
  'DESTINATION_UNAVAILABLE',
] as const;
export type ErrorCode = (typeof ERROR_CODES)[number];

/** Whether the same call can succeed by itself later: `later` when the world may change (reset, 429, lock timeout), else `never`. */
export type Retry = 'never' | 'later';

/** A fault the domain names. The message is a sentence for a person: the values, the problem and the next step. */
export abstract class DomainError extends Error {
  abstract readonly code: ErrorCode;
  abstract readonly retry: Retry;

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** A value from the caller is wrong. `path` names the field in the wire's words (`schedule.cron_expression`). */
export class ValueError extends DomainError {
  readonly code = 'VALUE_ERROR';
  readonly retry = 'never';

  constructor(
    message: string,
    readonly path?: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

export class IngestionNotFound extends DomainError {
  readonly code = 'INGESTION_NOT_FOUND';
  readonly retry = 'never';

  constructor(readonly ingestionId: string) {
    super(`Ingestion ${ingestionId} does not exist. List the existing ones with GET /api/v1/ingestions.`);
  }
}

export class RunNotFound extends DomainError {
  readonly code = 'RUN_NOT_FOUND';
  readonly retry = 'never';

  constructor(readonly runId: string) {
    super(`Run ${runId} does not exist. List the runs of an ingestion with GET /api/v1/ingestions/{id}/runs.`);
  }
}

export class SchemaVersionNotFound extends DomainError {
  readonly code = 'SCHEMA_VERSION_NOT_FOUND';
  readonly retry = 'never';

  constructor(
    readonly ingestionId: string,
    readonly version: number,
  ) {
    super(`Ingestion ${ingestionId} has no schema version ${version}.`);
  }
}

/** Another operation on the same thing is under way, or its state does not allow this one. */
export class Conflict extends DomainError {
  readonly code = 'CONFLICT';
  readonly retry = 'later';
}

/** The deployment under an ingestion's name is another Sluice's: this control database is a copy, or was restored under another id. */
export class DeploymentOfAnother extends Conflict {
  constructor(deployment: string, marks: readonly string[]) {
    super(
      `Deployment ${deployment} in Prefect belongs to another Sluice (${marks.join(', ')}), so it is left alone. Is this control database a copy? Give it a Prefect of its own.`,
    );
  }
}

export class NameTaken extends DomainError {
  readonly code = 'NAME_TAKEN';
  readonly retry = 'never';

  constructor(readonly ingestionName: string) {
    super(`An ingestion named "${ingestionName}" exists already. Choose another name.`);
  }
}

/** A run of the ingestion is queued or running and its overlap policy lets no second one wait. */
export class RunActive extends DomainError {
  readonly code = 'RUN_ACTIVE';
  readonly retry = 'later';

  constructor(
    readonly runId: string,
    standing: 'active' | 'waiting' = 'active',
  ) {
    const what =
      standing === 'active' ? 'is still active' : 'waits already for the active one, and one at most may wait';
    super(
      `Run ${runId} of this ingestion ${what}. Wait for its end or cancel it with POST /api/v1/runs/${runId}/cancel.`,
    );
  }
}

/** Why Prefect could not be used; the closed list of the wire contract. */
export const ORCHESTRATION_REASONS = [
  'refused',
  'timeout',
  'reset',
  'http_5xx',
  'rate_limited',
  'auth',
  'protocol',
  'version',
  'not_initialized',
] as const;
export type OrchestrationReason = (typeof ORCHESTRATION_REASONS)[number];

/**
 * Prefect could not be used. Raised by the gateway with its own sentence; a use case gives it the sentence of its call with `saying`.
 * `retryAfterSeconds` is what the caller should wait (default 5).
 */
export class OrchestrationUnavailable extends DomainError {
  readonly code = 'ORCHESTRATION_UNAVAILABLE';
  readonly retry = 'later';

  constructor(
    readonly reason: OrchestrationReason,
    message = 'Orchestration service unavailable',
    readonly retryAfterSeconds = 5,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }

  /** The same fault, told in the sentence of the call that met it. */
  saying(message: string): OrchestrationUnavailable {
    return new OrchestrationUnavailable(this.reason, message, this.retryAfterSeconds, { cause: this });
  }
}

/** The destination database could not be used. */
export class DestinationUnavailable extends DomainError {
  readonly code = 'DESTINATION_UNAVAILABLE';
  readonly retry = 'later';
}
