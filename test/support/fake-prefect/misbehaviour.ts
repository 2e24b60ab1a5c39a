import type { ServerResponse } from 'node:http';
import type { Reply } from './reply';

/**
 * `down`: nothing listens. `hang`: accepts and never answers. `slow`: answers after `ms`. `http_500`, `http_502`, `http_503`.
 * `rate_limited`: 429 with `Retry-After: seconds`. `unauthorized`: 401. `forbidden`: 403. `html`: a login page with 200.
 * `cut_json`: half of the answer, properly framed. `reset`: half of the answer, then a reset. `wrong_shape`: JSON of another kind.
 * `lost_answer`: does what was asked and resets before a word of the answer.
 */
export type Misbehaviour =
  | ('down' | 'hang' | 'slow' | 'http_500' | 'http_502' | 'http_503' | 'rate_limited')
  | ('unauthorized' | 'forbidden' | 'html' | 'cut_json' | 'reset' | 'wrong_shape' | 'lost_answer');

export interface MisbehaviourOptions {
  /** Only requests whose `METHOD /path` (below `/api`) matches; all by default. */
  route?: RegExp;
  /** How often, then it behaves again; always by default. */
  times?: number;
  /** Delay of `slow`; default 300. */
  ms?: number;
  /** `Retry-After` of `rate_limited`; default 1. */
  seconds?: number;
}

/** True when the request must not reach the store. */
export const STOPS_EARLY: ReadonlySet<Misbehaviour> = new Set<Misbehaviour>([
  ...(['down', 'hang', 'http_500', 'http_502', 'http_503', 'rate_limited'] as const),
  ...(['unauthorized', 'forbidden', 'html', 'wrong_shape'] as const),
]);

const PAGE = '<!doctype html><html><body><h1>Please log in</h1></body></html>';

/** Sends `reply` the way `kind` spoils it. */
export function spoil(response: ServerResponse, kind: Misbehaviour, options: MisbehaviourOptions, reply: Reply): void {
  switch (kind) {
    case 'down':
    case 'lost_answer':
      return void response.socket?.resetAndDestroy();
    case 'hang':
      return;
    case 'slow':
      return void setTimeout(() => send(response, reply), options.ms ?? 300);
    case 'http_500':
    case 'http_502':
    case 'http_503':
      return send(response, { status: Number(kind.slice(5)), body: { exception_message: 'Internal Server Error' } });
    case 'rate_limited':
      response.setHeader('retry-after', String(options.seconds ?? 1));
      return send(response, { status: 429, body: { detail: 'Too many requests' } });
    case 'unauthorized':
      return send(response, { status: 401, body: { exception_message: 'Unauthorized' } });
    case 'forbidden':
      return send(response, { status: 403, body: { detail: 'Forbidden' } });
    case 'html':
      return void response.writeHead(200, { 'content-type': 'text/html' }).end(PAGE);
    case 'wrong_shape':
      return send(response, { status: 200, body: { surprise: true } });
    case 'cut_json':
      return void response.writeHead(200, { 'content-type': 'application/json' }).end(half(reply));
    case 'reset':
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100000' });
      return void response.write(half(reply), () => response.socket?.resetAndDestroy());
  }
}

export function send(response: ServerResponse, reply: Reply): void {
  const json = reply.body === undefined ? undefined : JSON.stringify(reply.body);
  response.writeHead(reply.status, json === undefined ? {} : { 'content-type': 'application/json' }).end(json);
}

function half(reply: Reply): string {
  const json = JSON.stringify(reply.body ?? { id: 'cut' });
  return json.slice(0, Math.ceil(json.length / 2));
}
