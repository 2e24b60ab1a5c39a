import { type Clock, OrchestrationUnavailable, ValueError } from '@sluice/kernel';
import type { z } from 'zod';
import { Budget } from './budget';
import { RefusedByPrefect, failureOfAnswer, failureOfError, retryAfterSeconds, unavailable } from './failures';
import { AttemptFailed, pauseBefore } from './retry';
import { Servers, type Server } from './servers';
import type { HttpAnswer, HttpRequest } from './transport';

/** Longest time of one operation, retries and pauses included. */
const OPERATION_MS = 5_000;

export interface PrefectRequest<T> extends HttpRequest {
  /** The answer's shape at the fields we use; anything else is a `protocol` failure. */
  answer: z.ZodType<T>;
  /** It carries values a caller chose, so that a refusal (409, 422) is about them. */
  callersValues?: boolean;
}

/** One operation. */
interface Call<T> {
  request: PrefectRequest<unknown>;
  budget: Budget;
  /** Throws when the answer is none of Prefect's; then another server may give a better one. */
  read: (answer: HttpAnswer) => T;
  /** Each single attempt goes through its server's breaker. */
  isGuarded: boolean;
}

/** One attempt at one server. `others`: how many can be asked after it in this round. */
interface Turn {
  server: Server;
  others: number;
}

/**
 * Calls Prefect. Whatever goes wrong is an `OrchestrationUnavailable(reason)`; a caller's value that Prefect refuses (409, 422) is a
 * `ValueError`, any other refusal a `RefusedByPrefect`. Passing causes are retried twice within the budget, where there are several
 * servers only after all of them were asked; both are safe because every call is idempotent by construction.
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

  /** A lone server's breaker judges the operation as a whole; of several, each judges every attempt, so that one which opens is left out. */
  async #exchange<T>(request: PrefectRequest<unknown>, budget: Budget, read: Call<T>['read']): Promise<T> {
    const { insists, counts: counting } = budget;
    const [first = this.servers.good, ...others] = this.servers.toAsk({ counting, insists });
    const isAlone = others.length === 0;
    const rounds = () => this.#rounds({ request, budget, read, isGuarded: !insists && !isAlone }, [first, ...others]);
    try {
      return await (isAlone && !insists ? first.breaker.run(rounds, counting) : rounds());
    } catch (error) {
      throw error instanceof AttemptFailed ? error.failure : blamed(error, request);
    }
  }

  /** Asks one after the other, then begins again with those that may answer by then. */
  async #rounds<T>(call: Call<T>, all: readonly Server[]): Promise<T> {
    const met = new Map<Server, AttemptFailed>();
    for (let servers = all, round = 1; ; round++) {
      for (const [index, server] of servers.entries()) {
        if (met.size > 0 && call.budget.left === 0) break;
        try {
          const answer = await this.#guarded(call, { server, others: servers.length - index - 1 });
          this.servers.remember(server);
          return answer;
        } catch (error) {
          if (!(error instanceof AttemptFailed)) throw error;
          met.set(server, error);
        }
      }
      servers = await this.#afterPause(round, call, met);
    }
  }

  /** Whom to ask again, those first that are likely there. As long as the most patient of them asks for: no `Retry-After` is disregarded. */
  async #afterPause(round: number, call: Call<unknown>, met: Map<Server, AttemptFailed>): Promise<Server[]> {
    const ordered = [...met].sort(([, a], [, b]) => a.deadness - b.deadness);
    const pauses = ordered.map(([server, failed]) => [server, this.#pauseAt(server, round, failed, call)] as const);
    const again = pauses.filter((it): it is readonly [Server, number] => it[1] !== null);
    const told = ordered.map(([, failed]) => failed).reduce((best) => best);
    if (again.length === 0) throw told;
    await this.clock.sleep(Math.max(...again.map(([, ms]) => ms)), call.budget.signal).catch(() => {
      throw told;
    });
    return again.map(([server]) => server);
  }

  #pauseAt(server: Server, round: number, failed: AttemptFailed, { budget, isGuarded }: Call<unknown>): number | null {
    const refuses = isGuarded && !server.breaker.admits(budget.counts);
    if (budget.isSingle || server.isClosed || refuses) return null;
    return pauseBefore(round, failed, budget.left, this.random);
  }

  #guarded<T>(call: Call<T>, turn: Turn): Promise<T> {
    const attempt = () => this.#attempt(call, turn);
    return call.isGuarded ? turn.server.breaker.run(attempt, call.budget.counts) : attempt();
  }

  async #attempt<T>(call: Call<T>, turn: Turn): Promise<T> {
    const answer = await this.#answerWithin(call, turn);
    const askedMs = (retryAfterSeconds(answer, this.clock.now()) ?? 0) * 1000;
    try {
      const failure = failureOfAnswer(answer, this.clock.now());
      if (failure !== null) throw failure;
      return call.read(answer);
    } catch (error) {
      throw error instanceof OrchestrationUnavailable ? new AttemptFailed(error, askedMs) : error;
    }
  }

  async #answerWithin({ request, budget }: Call<unknown>, { server, others }: Turn): Promise<HttpAnswer> {
    const ender = new AbortController();
    const end = () => {
      ender.abort();
    };
    const timer = setTimeout(end, budget.attemptMs(others));
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
