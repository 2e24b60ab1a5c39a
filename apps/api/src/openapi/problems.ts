import { applyDecorators } from '@nestjs/common';
import { ApiExtraModels, ApiResponse, getSchemaPath } from '@nestjs/swagger';
import type { ProblemStatus } from '../problem/codes';
import { ProblemSchema } from './problem.schema';

const MEANING = {
  400: 'A value of the body, the query or the path is wrong, or the body is not JSON.',
  404: 'No such thing.',
  405: 'The route does not take this method.',
  409: 'Another operation on the same ingestion is under way, or its state does not allow this.',
  413: 'The body is larger than 1 MiB.',
  415: 'The body is not JSON.',
  429: 'Too many of these are under way.',
  500: 'A fault inside Sluice; the log tells more under the request_id.',
  503: 'Prefect could not be used; nothing has changed.',
} as const satisfies Record<ProblemStatus, string>;

/** The statuses that say when to come again. */
const COME_AGAIN: readonly ProblemStatus[] = [429, 503];
const RETRY_AFTER = { 'Retry-After': { description: 'Seconds to wait.', schema: { type: 'integer' as const } } };

const AWAY = 'The control database cannot be used.';

/**
 * Documents the problems a route can answer; a number takes its usual meaning. 500 is always among them, and so is
 * 503 unless it is `null`: what asks no database. With `only` a 503 means just that, and not that the control database is away too.
 */
export function Problems({ 503: unavailable, ...others }: Meanings): MethodDecorator {
  const all = { ...others, ...(unavailable !== null && { 503: orAway(unavailable) }), 500: true as const };
  const responses = Object.entries(all).map(([status, meaning]) =>
    problem(Number(status) as ProblemStatus, meaning === true ? undefined : meaning),
  );
  return applyDecorators(ApiExtraModels(ProblemSchema), ...responses);
}

type Meanings = Partial<Record<Exclude<ProblemStatus, 503>, true | string>> & { 503?: Unavailable | null };

type Unavailable = true | string | { only: string };

function orAway(meaning: Unavailable | undefined): string {
  if (typeof meaning === 'object') return meaning.only;
  return meaning === undefined ? AWAY : `${meaning === true ? MEANING[503] : meaning} Or: ${AWAY}`;
}

/** What every route with a body can answer. */
export const BODY_PROBLEMS = { 400: true, 413: true, 415: true } as const;

function problem(status: ProblemStatus, meaning: string | undefined): MethodDecorator & ClassDecorator {
  return ApiResponse({
    status,
    description: meaning ?? MEANING[status],
    ...(COME_AGAIN.includes(status) ? { headers: RETRY_AFTER } : {}),
    content: { 'application/problem+json': { schema: { $ref: getSchemaPath(ProblemSchema) } } },
  });
}
