import { createHmac } from 'node:crypto';
import type { Secret } from '@sluice/kernel';

/** What one attempt may take, ms: from the look-up of the name to the status line of the answer. */
const BUDGET_MS = 5_000;

export interface Message {
  id: string;
  /** Sent as it is, and signed as it is. */
  body: string;
}

/**
 * One POST of a message, with the headers of Standard Webhooks (standardwebhooks.com). Resolves with `null` when the receiver has taken it (2xx),
 * else with why not, in words that hold nothing of the address. Redirects are not followed: the signature is for the address that was set.
 */
export async function post(
  url: Secret,
  key: Secret<Buffer> | undefined,
  message: Message,
  stop: AbortSignal,
): Promise<string | null> {
  const headers = {
    'content-type': 'application/json',
    'user-agent': 'sluice',
    ...signedHeaders(message, key, new Date()),
  };
  // Not AbortSignal.timeout(): `any` holds its sources weakly, and a timeout nobody else holds is collected before it fires (nodejs/node#57736).
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new DOMException('', 'TimeoutError')), BUDGET_MS);
  try {
    const answer = await fetch(url.reveal(), {
      method: 'POST',
      body: message.body,
      headers,
      redirect: 'manual',
      signal: AbortSignal.any([late.signal, stop]),
    });
    await answer.body?.cancel();
    return answer.ok ? null : `It answered ${answer.status}`;
  } catch (error) {
    return reasonOf(error);
  } finally {
    clearTimeout(timer);
  }
}

/** Without a key there is no signature. */
export function signedHeaders(message: Message, key: Secret<Buffer> | undefined, at: Date): Record<string, string> {
  const timestamp = String(Math.floor(at.getTime() / 1000));
  const headers = { 'webhook-id': message.id, 'webhook-timestamp': timestamp };
  if (!key) return headers;
  const signed = createHmac('sha256', key.reveal()).update(`${message.id}.${timestamp}.${message.body}`);
  return { ...headers, 'webhook-signature': `v1,${signed.digest('base64')}` };
}

/** The code alone: a message of the system holds host and port. */
function reasonOf(error: unknown): string {
  const { name, cause } = error as { name?: unknown; cause?: { code?: unknown } | undefined };
  if (name === 'TimeoutError') return `No answer within ${BUDGET_MS / 1000} s`;
  if (name === 'AbortError') return 'This process is ending';
  return `It could not be reached (${typeof cause?.code === 'string' ? cause.code : 'no reason was given'})`;
}
