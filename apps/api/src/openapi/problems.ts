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
  500: 'A fault inside Sluice; the log tells more under the request_id.',
  503: 'Prefect could not be used; nothing has changed.',
} as const satisfies Record<ProblemStatus, string>;

const HEADERS = {
  503: { 'Retry-After': { description: 'Seconds to wait.', schema: { type: 'integer' as const } } },
} as const;

/** Documents the problems a route can answer; a number takes its usual meaning. 500 is always among them. */
export function Problems(meanings: Partial<Record<ProblemStatus, true | string>>): MethodDecorator {
  const all = { ...meanings, 500: true as const };
  const responses = Object.entries(all).map(([status, meaning]) =>
    problem(Number(status) as ProblemStatus, meaning === true ? undefined : meaning),
  );
  return applyDecorators(ApiExtraModels(ProblemSchema), ...responses);
}

/** What every route with a body can answer. */
export const BODY_PROBLEMS = { 400: true, 413: true, 415: true } as const;

function problem(status: ProblemStatus, meaning: string | undefined): MethodDecorator & ClassDecorator {
  return ApiResponse({
    status,
    description: meaning ?? MEANING[status],
    ...(status === 503 ? { headers: HEADERS[503] } : {}),
    content: { 'application/problem+json': { schema: { $ref: getSchemaPath(ProblemSchema) } } },
  });
}
