import { type Clock, OrchestrationUnavailable } from '@sluice/kernel';
import type { z } from 'zod';
import { Budget } from './budget';
import { failureOfAnswer, failureOfError, retryAfterSeconds, unavailable } from './failures';
import { AttemptFailed, pauseBefore } from './retry';
import { type Transport, type HttpAnswer, type HttpRequest } from './transport';

/** Longest time of one operation, retries and pauses included. */
const OPERATION_MS = 5_000;
/** Longest time of one attempt, so that a connection which died in silence leaves time for a second one. */
const ATTEMPT_MS = 3_000;

export interface PrefectRequest<T> extends HttpRequest {
  /** The answer's shape at the fields we use; anything else is a `protocol` failure. */
  answer: z.ZodType<T>;
}

/**
 * Calls Prefect. Whatever goes wrong is an `OrchestrationUnavailable(reason)`; a value that Prefect refuses (409, 422) is a `ValueError`.
 * Passing causes are retried twice within the budget, which is safe because every call is idempotent by construction.
 */
export class PrefectClient {
  constructor(
    private readonly transport: Transport,
    private readonly clock: Clock,
    private readonly random: () => number = Math.random,
  ) {}

  /** A budget that several calls of one operation share. */
  budget(ms = OPERATION_MS, signal?: AbortSignal): Budget {
    return new Budget(this.clock, ms, signal);
  }

  /** For things that must exist: a 404 is a `protocol` failure. */
  async send<T>(request: PrefectRequest<T>, budget = this.budget()): Promise<T> {
    const answer = await this.#exchange(request, budget);
    if (answer.status === 404) throw unavailable('protocol', `${request.method} ${request.path} does not exist`);
    return parsed(answer, request);
  }

  /** For things that may be gone: `null` when Prefect has no such thing. */
  async find<T>(request: PrefectRequest<T>, budget = this.budget()): Promise<T | null> {
    const answer = await this.#exchange(request, budget);
    if (answer.status !== 404) return parsed(answer, request);
    if (!saysThingIsMissing(answer)) throw unavailable('protocol', `${request.path} is no route of this server`);
    return null;
  }

  close(): void {
    this.transport.close();
  }

  async #exchange(request: HttpRequest, budget: Budget): Promise<HttpAnswer> {
    for (let retry = 1; ; retry++) {
      try {
        return await this.#attempt(request, budget);
      } catch (error) {
        if (!(error instanceof AttemptFailed)) throw error;
        await this.#pause(retry, error, budget);
      }
    }
  }

  async #pause(retry: number, failed: AttemptFailed, budget: Budget): Promise<void> {
    const ms = pauseBefore(retry, failed, budget.left, this.random);
    if (ms === null) throw failed.failure;
    await this.clock.sleep(ms, budget.signal).catch(() => {
      throw failed.failure;
    });
  }

  async #attempt(request: HttpRequest, budget: Budget): Promise<HttpAnswer> {
    const answer = await this.#answerWithin(request, budget);
    const failure = failureOfAnswer(answer, this.clock.now());
    if (failure === null) return answer;
    if (!(failure instanceof OrchestrationUnavailable)) throw failure;
    throw new AttemptFailed(failure, (retryAfterSeconds(answer, this.clock.now()) ?? 0) * 1000);
  }

  async #answerWithin(request: HttpRequest, budget: Budget): Promise<HttpAnswer> {
    const ender = new AbortController();
    const end = () => {
      ender.abort();
    };
    const timer = setTimeout(end, Math.min(ATTEMPT_MS, budget.left));
    budget.signal?.addEventListener('abort', end, { once: true });
    try {
      return await this.transport.send(request, ender.signal);
    } catch (error) {
      throw new AttemptFailed(failureOfError(error, ender.signal.aborted));
    } finally {
      clearTimeout(timer);
      budget.signal?.removeEventListener('abort', end);
    }
  }
}

function parsed<T>(answer: HttpAnswer, request: PrefectRequest<T>): T {
  const result = request.answer.safeParse(jsonOf(answer));
  if (result.success) return result.data;
  throw unavailable('protocol', result.error);
}

function jsonOf({ text }: HttpAnswer): unknown {
  try {
    return text === '' ? undefined : (JSON.parse(text) as unknown);
  } catch (error) {
    throw unavailable('protocol', error);
  }
}

/**
 * Prefect names what is missing ("Deployment not found"). Its router's own "Not Found", or another server's page, says only that the
 * address is wrong; taking that for "already deleted" would forget things that are still there.
 */
function saysThingIsMissing(answer: HttpAnswer): boolean {
  const body = jsonOf(answer) as { detail?: unknown; exception_message?: unknown } | null | undefined;
  const detail = body?.detail ?? body?.exception_message;
  return typeof detail === 'string' && detail !== 'Not Found';
}
