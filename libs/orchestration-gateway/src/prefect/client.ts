import { type Clock, OrchestrationUnavailable, ValueError } from '@sluice/kernel';
import type { z } from 'zod';
import { Budget } from './budget';
import { RefusedByPrefect, failureOfAnswer, failureOfError, retryAfterSeconds, unavailable } from './failures';
import { AttemptFailed, pauseBefore } from './retry';
import { Servers, type Server } from './servers';
import type { HttpAnswer, HttpRequest } from './transport';

/** Longest time of one operation, retries and pauses included. */
const OPERATION_MS = 5_000;
/** Longest time of one attempt, so that a connection which died in silence leaves time for a second one. */
const ATTEMPT_MS = 3_000;
/** An operation that had less time than this proves nothing when it ends without an answer. */
const FAIR_MS = 2_000;

export interface PrefectRequest<T> extends HttpRequest {
  /** The answer's shape at the fields we use; anything else is a `protocol` failure. */
  answer: z.ZodType<T>;
  /** It carries values a caller chose, so that a refusal (409, 422) is about them. */
  callersValues?: boolean;
}

/** One exchange with one server. */
interface Turn<T> {
  server: Server;
  budget: Budget;
  read: (answer: HttpAnswer) => T;
  /** Servers that can be asked after this one. */
  others: number;
}

/**
 * Calls Prefect. Whatever goes wrong is an `OrchestrationUnavailable(reason)`; a caller's value that Prefect refuses (409, 422) is a
 * `ValueError`, any other refusal a `RefusedByPrefect`. Passing causes are retried twice within the budget, and where there are several
 * servers the next one is asked first; both are safe because every call is idempotent by construction.
 */
export class PrefectClient {
  constructor(
    readonly servers: Servers,
    private readonly clock: Clock,
    /** Asks also servers that are known to be down: for a process which waits through outages, and for the probe. */
    private readonly insists = false,
    private readonly random: () => number = Math.random,
  ) {}

  /** Speaks to this server only, in whatever state it is. */
  at(server: Server): PrefectClient {
    return new PrefectClient(new Servers([server]), this.clock, true, this.random);
  }

  /** A budget that several calls of one operation share. */
  budget(ms = OPERATION_MS, signal?: AbortSignal, insists = this.insists): Budget {
    return new Budget(this.clock, ms, signal, insists);
  }

  /** A budget whose requests are not repeated. */
  onlyOnce(ms: number): Budget {
    return new Budget(this.clock, ms, undefined, this.insists, true);
  }

  /** For things that must exist: a 404 is a `protocol` failure. */
  send<T>(request: PrefectRequest<T>, budget = this.budget()): Promise<T> {
    return this.#exchange(request, budget, (answer) => {
      if (answer.status !== 404) return parsed(answer, request);
      throw unavailable('protocol', `${request.method} ${request.path} does not exist`);
    });
  }

  /** For things that may be gone: `null` when Prefect has no such thing. */
  find<T>(request: PrefectRequest<T>, budget = this.budget()): Promise<T | null> {
    return this.#exchange(request, budget, (answer) => {
      if (answer.status !== 404) return parsed(answer, request);
      if (saysThingIsMissing(answer)) return null;
      throw unavailable('protocol', `${request.path} is no route of this server`);
    });
  }

  close(): void {
    this.servers.close();
  }

  /** `read` throws when the answer is none of Prefect's; then the next server may give a better one. */
  async #exchange<T>(request: PrefectRequest<unknown>, budget: Budget, read: (answer: HttpAnswer) => T): Promise<T> {
    const { insists } = budget;
    const counting = budget.left >= FAIR_MS;
    const servers = this.servers.toAsk({ counting, insists });
    for (let turn = 0; ; turn++) {
      const server = servers[turn] ?? this.servers.good;
      const call = () => this.#tries(request, { server, budget, read, others: servers.length - turn - 1 });
      try {
        const answer = await (insists ? call() : server.breaker.run(call, counting));
        this.servers.remember(server);
        return answer;
      } catch (error) {
        if (!(error instanceof AttemptFailed)) throw blamed(error, request);
        if (turn >= servers.length - 1) throw error.failure;
      }
    }
  }

  /** Repeated only at the last server: before that, the next one is the better try. */
  async #tries<T>(request: HttpRequest, turn: Turn<T>): Promise<T> {
    for (let retry = 1; ; retry++) {
      try {
        return await this.#attempt(request, turn);
      } catch (error) {
        if (!(error instanceof AttemptFailed) || turn.others > 0 || turn.server.isClosed) throw error;
        await this.#pause(retry, error, turn.budget);
      }
    }
  }

  async #pause(retry: number, failed: AttemptFailed, budget: Budget): Promise<void> {
    const ms = budget.isSingle ? null : pauseBefore(retry, failed, budget.left, this.random);
    if (ms === null) throw failed;
    await this.clock.sleep(ms, budget.signal).catch(() => {
      throw failed;
    });
  }

  async #attempt<T>(request: HttpRequest, turn: Turn<T>): Promise<T> {
    const answer = await this.#answerWithin(request, turn);
    const askedMs = (retryAfterSeconds(answer, this.clock.now()) ?? 0) * 1000;
    try {
      const failure = failureOfAnswer(answer, this.clock.now());
      if (failure !== null) throw failure;
      return turn.read(answer);
    } catch (error) {
      throw error instanceof OrchestrationUnavailable ? new AttemptFailed(error, askedMs) : error;
    }
  }

  async #answerWithin(request: HttpRequest, { server, budget, others }: Turn<unknown>): Promise<HttpAnswer> {
    const ender = new AbortController();
    const end = () => {
      ender.abort();
    };
    const timer = setTimeout(end, Math.min(ATTEMPT_MS, budget.left / (others + 1)));
    budget.signal?.addEventListener('abort', end, { once: true });
    try {
      return await server.sender.send(request, ender.signal);
    } catch (error) {
      throw new AttemptFailed(failureOfError(error, ender.signal.aborted), 0, budget.signal?.aborted);
    } finally {
      clearTimeout(timer);
      budget.signal?.removeEventListener('abort', end);
    }
  }
}

function blamed(error: unknown, { callersValues }: PrefectRequest<unknown>): unknown {
  if (!(error instanceof RefusedByPrefect) || !callersValues || error.status === 400) return error;
  return new ValueError(`Prefect refused the value: ${error.detail}`, undefined, { cause: error });
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
