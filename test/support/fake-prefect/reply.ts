import { z } from 'zod';

export interface Reply {
  status: number;
  body?: unknown;
}

/** What a handler throws to answer with an error. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly body: unknown,
  ) {
    super(`refused with ${status}`);
  }
}

export const notFound = (what: string) => new Refusal(404, { detail: `${what} not found` });

/** The body as `schema` says, else Prefect's 422. */
export function parse<T>(schema: z.ZodType<T>, body: unknown): T {
  const result = schema.safeParse(body ?? {});
  if (result.success) return result.data;
  throw new Refusal(422, { exception_message: 'Invalid request received.', exception_detail: result.error.issues });
}

/** Prefect's paging: at most 200 at once. */
export const page = {
  limit: z.number().int().min(0).max(200).default(200),
  offset: z.number().int().min(0).default(0),
};

export const anyOf = z.object({ any_: z.array(z.string()).nullish() }).nullish();
export const matches = (filter: z.output<typeof anyOf>, value: string | null): boolean =>
  filter?.any_ == null || (value !== null && filter.any_.includes(value));
