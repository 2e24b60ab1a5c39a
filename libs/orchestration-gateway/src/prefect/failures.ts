import { OrchestrationUnavailable, type OrchestrationReason } from '@sluice/kernel';
import { AnswerTooLarge, type HttpAnswer } from './transport';

/** The network's error codes, and what each means for the caller. A code that is not here is a broken conversation: `protocol`. */
const REASON_OF_CODE: Readonly<Record<string, OrchestrationReason>> = {
  ECONNREFUSED: 'refused',
  ENOTFOUND: 'refused',
  EAI_AGAIN: 'refused',
  EHOSTUNREACH: 'refused',
  ENETUNREACH: 'refused',
  EADDRNOTAVAIL: 'refused',
  ETIMEDOUT: 'timeout',
  ECONNABORTED: 'timeout',
  ERR_CANCELED: 'timeout',
  ECONNRESET: 'reset',
  EPIPE: 'reset',
  ERR_STREAM_PREMATURE_CLOSE: 'reset',
};

const SENTENCE_OF: Readonly<Record<OrchestrationReason, string>> = {
  refused: 'Prefect does not accept connections. Is it running, and is PREFECT_API_URL right?',
  timeout: 'Prefect did not answer in time.',
  reset: 'Prefect broke the connection off.',
  http_5xx: 'Prefect answered with a server error.',
  rate_limited: 'Prefect answered that there are too many requests.',
  auth: 'Prefect refused the credentials. Check PREFECT_API_AUTH_STRING.',
  protocol: 'Prefect answered something this version of Sluice does not understand. Is PREFECT_API_URL its API?',
  version: 'Prefect has a version this version of Sluice does not work with (3.8 or later, below 4).',
  not_initialized: 'Prefect has not been reached yet.',
};

/**
 * Prefect understood the request and refuses what it says (400, 409, 422). Where that came from the caller the client makes it a `ValueError`;
 * everywhere else it is a mistake of Sluice, hence no `DomainError`: the API answers 500 and logs it.
 */
export class RefusedByPrefect extends Error {
  constructor(
    readonly status: number,
    readonly detail: string,
  ) {
    super(`Prefect refused a request of Sluice's own making (${status}): ${detail}`);
    this.name = 'RefusedByPrefect';
  }
}

export function unavailable(reason: OrchestrationReason, cause?: unknown, retryAfterSeconds?: number) {
  return new OrchestrationUnavailable(reason, SENTENCE_OF[reason], retryAfterSeconds, { cause });
}

/** What an error says and what was behind it, in one line. Messages only: other fields of a network error hold the credentials. */
export function saidBy(error: unknown): string {
  if (typeof error === 'string') return error;
  const { name, message, cause } = error as Partial<Error>;
  const said = message || (name ?? 'nothing');
  const whole = cause === undefined || cause === null ? said : `${said} <- ${saidBy(cause)}`;
  return whole.replace(/\s+/g, ' ').slice(0, 1_000);
}

/** Why no whole answer came. `timedOut`: we ended the attempt ourselves. */
export function failureOfError(error: unknown, timedOut: boolean): OrchestrationUnavailable {
  if (timedOut) return unavailable('timeout', error);
  if (error instanceof AnswerTooLarge) return unavailable('protocol', error);
  return unavailable(REASON_OF_CODE[codeOf(error)] ?? 'protocol', error);
}

/** What is wrong with a whole answer; `null` when it is one to work with (2xx and 404). */
export function failureOfAnswer(answer: HttpAnswer, now: Date): OrchestrationUnavailable | RefusedByPrefect | null {
  const { status } = answer;
  if ((status >= 200 && status < 300) || status === 404) return null;
  if (status >= 500) return unavailable('http_5xx', undefined, retryAfterSeconds(answer, now));
  if (status === 429) return unavailable('rate_limited', undefined, retryAfterSeconds(answer, now));
  if (status === 401 || status === 403) return unavailable('auth');
  if (status === 400 || status === 409 || status === 422) return refusal(status, detailOf(answer));
  return unavailable('protocol', `status ${status}`);
}

/** A race in Prefect's own database is told as 409 too; a moment later it may be over. */
const LOST_RACE = /^Data integrity conflict/;
const OTHER_API_VERSION = /api version/i;

function refusal(status: number, detail: string): OrchestrationUnavailable | RefusedByPrefect {
  if (status === 400 && OTHER_API_VERSION.test(detail)) return unavailable('version', detail);
  if (status === 409 && LOST_RACE.test(detail)) return unavailable('http_5xx', detail);
  return new RefusedByPrefect(status, detail);
}

/** `Retry-After` as seconds (a number or a date, RFC 9110); `undefined` when absent or unreadable. */
export function retryAfterSeconds({ retryAfter }: HttpAnswer, now: Date): number | undefined {
  if (retryAfter === null) return undefined;
  if (/^\d+$/.test(retryAfter)) return Number(retryAfter);
  const seconds = Math.ceil((Date.parse(retryAfter) - now.getTime()) / 1000);
  return Number.isNaN(seconds) ? undefined : Math.max(0, seconds);
}

/**
 * Node names its causes with `code`; an error that wraps another carries the code further down. The shape is asked, not the class:
 * errors of Node's own are of another `Error` where code runs in a context of its own.
 */
function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return '';
  const { code, cause } = error as { code?: unknown; cause?: unknown };
  return typeof code === 'string' && code in REASON_OF_CODE ? code : codeOf(cause);
}

/** What Prefect says of a refusal; the request itself, which it repeats there, is left out. */
function detailOf({ text }: HttpAnswer): string {
  const detail = detailIn(text);
  return (typeof detail === 'string' ? detail : JSON.stringify(detail ?? 'no detail')).slice(0, 500);
}

function detailIn(text: string): unknown {
  try {
    const body = JSON.parse(text) as { detail?: unknown; exception_detail?: { msg?: unknown }[] };
    return body.detail ?? body.exception_detail?.map((problem) => problem.msg);
  } catch {
    return null;
  }
}
