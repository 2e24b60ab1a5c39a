import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { HttpAnswer, HttpRequest, Sender } from './transport';

/** Fetching a token must leave time for the call that needs it. */
const TOKEN_MS = 1_500;
const issued = z.object({ token: z.string() });

/**
 * Speaks to a server with CSRF protection (`PREFECT_SERVER_CSRF_PROTECTION_ENABLED`) without being told of it: a call refused for its token is
 * repeated once with a new one, which all later calls carry until it is refused (they expire). Without the protection no token is ever asked for.
 * A passing fault met while fetching the token is the call's own, so that it is tried again; a refused token leaves the first refusal.
 */
export class CsrfGuard implements Sender {
  readonly #client = randomUUID();
  #token: string | null = null;
  #fetching: Promise<HttpAnswer | null> | null = null;

  constructor(private readonly sender: Sender) {}

  async send(request: HttpRequest, signal: AbortSignal): Promise<HttpAnswer> {
    const used = this.#token;
    const answer = await this.sender.send(this.#signed(request), signal);
    if (request.method === 'GET' || !refusesToken(answer)) return answer;
    const withoutToken = await unlessAborted(this.#renewed(used), signal);
    if (withoutToken) return isPassing(withoutToken) ? withoutToken : answer;
    return this.sender.send(this.#signed(request), signal);
  }

  close(): void {
    this.sender.close();
  }

  #signed(request: HttpRequest): HttpRequest {
    if (this.#token === null || request.method === 'GET') return request;
    return { ...request, headers: { 'prefect-csrf-token': this.#token, 'prefect-csrf-client': this.#client } };
  }

  /** `null` once there is another token than `used`, else the answer that has none. One fetch for all who wait: each new token makes the one before worthless. */
  #renewed(used: string | null): Promise<HttpAnswer | null> {
    if (this.#token !== null && this.#token !== used) return Promise.resolve(null);
    this.#fetching ??= this.#fetch().finally(() => (this.#fetching = null));
    return this.#fetching;
  }

  async #fetch(): Promise<HttpAnswer | null> {
    const path = `/csrf-token?client=${this.#client}`;
    const answer = await this.sender.send({ method: 'GET', path }, AbortSignal.timeout(TOKEN_MS));
    const { data } = issued.safeParse(answer.status === 200 ? jsonOr(null, answer.text) : null);
    this.#token = data?.token ?? null;
    return data ? null : answer;
  }
}

function isPassing({ status }: HttpAnswer): boolean {
  return status === 429 || status >= 500;
}

function refusesToken({ status, text }: HttpAnswer): boolean {
  return status === 403 && /csrf/i.test(text);
}

function jsonOr(otherwise: unknown, text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return otherwise;
  }
}

function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
  return Promise.race([work, aborted]);
}
