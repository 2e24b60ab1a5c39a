import type { ErrorCode } from '@sluice/kernel';

/** What can go wrong before a use case is reached, or beside it: faults of the transport, not of the domain. */
export type TransportCode =
  | 'VALIDATION_FAILED'
  | 'MALFORMED_JSON'
  | 'BAD_REQUEST'
  | 'ROUTE_NOT_FOUND'
  | 'METHOD_NOT_ALLOWED'
  | 'PAYLOAD_TOO_LARGE'
  | 'UNSUPPORTED_MEDIA_TYPE'
  | 'TOO_MANY_REQUESTS'
  | 'NOT_READY'
  | 'DATABASE_UNAVAILABLE'
  | 'ORCHESTRATION_UNHEALTHY'
  | 'INTERNAL_ERROR';
export type ProblemCode = ErrorCode | TransportCode;

/** The one table from codes to statuses; the compiler keeps it whole. */
export const STATUS_OF = {
  VALUE_ERROR: 400,
  VALIDATION_FAILED: 400,
  MALFORMED_JSON: 400,
  BAD_REQUEST: 400,
  INGESTION_NOT_FOUND: 404,
  RUN_NOT_FOUND: 404,
  SCHEMA_VERSION_NOT_FOUND: 404,
  ROUTE_NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  CONFLICT: 409,
  NAME_TAKEN: 409,
  RUN_ACTIVE: 409,
  PAYLOAD_TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  TOO_MANY_REQUESTS: 429,
  INTERNAL_ERROR: 500,
  ORCHESTRATION_UNAVAILABLE: 503,
  ORCHESTRATION_UNHEALTHY: 503,
  DESTINATION_UNAVAILABLE: 503,
  DATABASE_UNAVAILABLE: 503,
  NOT_READY: 503,
} as const satisfies Record<ProblemCode, number>;
export type ProblemStatus = (typeof STATUS_OF)[ProblemCode];

/** The same for every occurrence of a code; `detail` says what happened this time. */
export const TITLE_OF = {
  VALUE_ERROR: 'A value is wrong',
  VALIDATION_FAILED: 'The request is not valid',
  MALFORMED_JSON: 'The body is not JSON',
  BAD_REQUEST: 'The request cannot be read',
  INGESTION_NOT_FOUND: 'No such ingestion',
  RUN_NOT_FOUND: 'No such run',
  SCHEMA_VERSION_NOT_FOUND: 'No such schema version',
  ROUTE_NOT_FOUND: 'No such route',
  METHOD_NOT_ALLOWED: 'The route does not take this method',
  CONFLICT: 'The state does not allow this now',
  NAME_TAKEN: 'The name is taken',
  RUN_ACTIVE: 'A run is active',
  PAYLOAD_TOO_LARGE: 'The body is too large',
  UNSUPPORTED_MEDIA_TYPE: 'The media type is not supported',
  TOO_MANY_REQUESTS: 'Too many requests',
  INTERNAL_ERROR: 'Internal error',
  ORCHESTRATION_UNAVAILABLE: 'Orchestration service unavailable',
  ORCHESTRATION_UNHEALTHY: 'Orchestration is not healthy',
  DESTINATION_UNAVAILABLE: 'Destination unavailable',
  DATABASE_UNAVAILABLE: 'Control database unavailable',
  NOT_READY: 'Not ready',
} as const satisfies Record<ProblemCode, string>;
