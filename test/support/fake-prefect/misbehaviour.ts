import type { ServerResponse } from 'node:http';
import type { Reply } from './reply';

/**
 * `down`: nothing listens. `hang`: accepts and never answers. `slow`: answers after `ms`. `slow_body`: half of the answer, and never the rest.
 * `http_500`, `http_502`, `http_503`, `http_504`. `rate_limited`: 429 with `Retry-After: seconds`, as a date with `asDate`. `unauthorized`: 401.
 * `forbidden`: 403. `csrf`: 403 for a token, and none is given out. `no_route`: the router's own 404. `not_found`: 404, the thing is missing.
 * `conflict`: 409. `lost_race`: 409 of its database. `unprocessable`: 422. `outdated`: 400, our API version is too old. `html`: a login page
 * with 200. `cut_json`: half of the answer, properly framed. `reset`: half of the answer, then a reset. `wrong_shape`: JSON of another kind.
 * `lost_answer`: does what was asked and resets before a word of the answer.
 */
export type Misbehaviour =
  | ('down' | 'hang' | 'slow' | 'slow_body' | 'http_500' | 'http_502' | 'http_503' | 'http_504' | 'rate_limited')
  | ('unauthorized' | 'forbidden' | 'csrf' | 'no_route' | 'not_found' | 'conflict' | 'lost_race' | 'unprocessable')
  | ('outdated' | 'html' | 'cut_json' | 'reset' | 'wrong_shape' | 'lost_answer');

export interface MisbehaviourOptions {
  /** Only requests whose `METHOD /path` (below `/api`) matches; all by default. */
  route?: RegExp;
  /** How often, then it behaves again; always by default. */
  times?: number;
  /** Delay of `slow`; default 300. */
  ms?: number;
  /** `Retry-After` of `rate_limited`; default 1. */
  seconds?: number;
  /** `Retry-After` as an HTTP date. */
  asDate?: boolean;
}

/** Whole answers that say no, before the store is reached. */
const REFUSALS: Readonly<Partial<Record<Misbehaviour, Reply>>> = {
  http_500: { status: 500, body: { exception_message: 'Internal Server Error' } },
  http_502: { status: 502, body: { exception_message: 'Bad Gateway' } },
  http_503: { status: 503, body: { exception_message: 'Service Unavailable' } },
  http_504: { status: 504, body: { exception_message: 'Gateway Timeout' } },
  rate_limited: { status: 429, body: { detail: 'Too many requests' } },
  unauthorized: { status: 401, body: { exception_message: 'Unauthorized' } },
  forbidden: { status: 403, body: { detail: 'Forbidden' } },
  csrf: { status: 403, body: { detail: 'Invalid CSRF token or client identifier.' } },
  no_route: { status: 404, body: { detail: 'Not Found' } },
  not_found: { status: 404, body: { detail: 'Deployment not found' } },
  conflict: { status: 409, body: { detail: 'Error creating deployment: parameters do not fit.' } },
  lost_race: { status: 409, body: { detail: 'Data integrity conflict. See server logs for details.' } },
  unprocessable: { status: 422, body: { exception_detail: [{ msg: 'Invalid cron' }], request_body: {} } },
  outdated: {
    status: 400,
    body: { detail: 'The request specified API version 0.8.4 but this server requires version 9.0.0 or higher.' },
  },
  wrong_shape: { status: 200, body: { surprise: true } },
};

/** True when the request must not reach the store. */
export const stopsEarly = (kind: Misbehaviour): boolean => kind in REFUSALS || ['down', 'hang', 'html'].includes(kind);

const PAGE = '<!doctype html><html><body><h1>Please log in</h1></body></html>';

/** Sends `reply` the way `kind` spoils it. */
export function spoil(response: ServerResponse, kind: Misbehaviour, options: MisbehaviourOptions, reply: Reply): void {
  if (kind === 'rate_limited') response.setHeader('retry-after', retryAfter(options));
  const refusal = REFUSALS[kind];
  if (refusal) return send(response, refusal);
  switch (kind) {
    case 'hang':
      return;
    case 'slow':
      return void setTimeout(() => send(response, reply), options.ms ?? 300);
    case 'slow_body':
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100000' });
      return void response.write(half(reply));
    case 'html':
      return void response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE);
    case 'cut_json':
      return void response.writeHead(200, { 'content-type': 'application/json' }).end(half(reply));
    case 'reset':
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100000' });
      return void response.write(half(reply), () => response.socket?.resetAndDestroy());
    default:
      return void response.socket?.resetAndDestroy();
  }
}

function retryAfter({ seconds = 1, asDate = false }: MisbehaviourOptions): string {
  return asDate ? new Date(Date.now() + seconds * 1000).toUTCString() : String(seconds);
}

export function send(response: ServerResponse, reply: Reply): void {
  const json = reply.body === undefined ? undefined : JSON.stringify(reply.body);
  response.writeHead(reply.status, json === undefined ? {} : { 'content-type': 'application/json' }).end(json);
}

function half(reply: Reply): string {
  const json = JSON.stringify(reply.body ?? { id: 'cut' });
  return json.slice(0, Math.ceil(json.length / 2));
}
