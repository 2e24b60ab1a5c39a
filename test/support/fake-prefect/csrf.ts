import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Reply } from './reply';

const WRITES: ReadonlySet<string | undefined> = new Set(['POST', 'PUT', 'PATCH', 'DELETE']);

/** Prefect's CSRF protection: one token for each client, and each new one makes the one before worthless. */
export class CsrfProtection {
  isOn = false;
  readonly #tokens = new Map<string, string>();

  /** As when all tokens have expired. */
  expire(): void {
    this.#tokens.clear();
  }

  /** The answer to a request that goes no further; `null` for one that does. */
  refusal({ method, url = '', headers }: IncomingMessage): Reply | null {
    const { pathname, searchParams } = new URL(url, 'http://fake');
    if (pathname === '/api/csrf-token') return this.#issue(searchParams.get('client'));
    if (!this.isOn || !WRITES.has(method)) return null;
    const [token, client] = [headers['prefect-csrf-token'], headers['prefect-csrf-client']];
    if (token === undefined) return { status: 403, body: { detail: 'Missing CSRF token.' } };
    if (client === undefined) return { status: 403, body: { detail: 'Missing client identifier.' } };
    const isKnown = this.#tokens.get(String(client)) === token;
    return isKnown ? null : { status: 403, body: { detail: 'Invalid CSRF token or client identifier.' } };
  }

  #issue(client: string | null): Reply {
    if (!this.isOn) return { status: 422, body: { detail: 'CSRF protection is disabled.' } };
    if (client === null) return { status: 422, body: { exception_message: 'Invalid request received.' } };
    const token = randomUUID();
    this.#tokens.set(client, token);
    return { status: 200, body: { token, client } };
  }
}
