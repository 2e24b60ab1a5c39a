import type { NextFunction, Request, Response } from 'express';
import { Histogram, type Registry } from 'prom-client';

const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
/** Seconds. The gateway's budget for one request ends at 5. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export type RequestTimer = (request: Request, response: Response, next: NextFunction) => void;

/** Times each request from its first middleware to its last byte. By the template of its route, never by its path: paths hold ids. */
export function requestTimer(registry: Registry): RequestTimer {
  const histogram = new Histogram({
    name: 'http_request_duration_seconds',
    help: 'Time to answer a request; route "unmatched" is a path that there is not, status "aborted" a caller who left.',
    labelNames: ['route', 'method', 'status'],
    buckets: BUCKETS,
    registers: [registry],
  });
  return (request, response, next) => {
    const stop = histogram.startTimer();
    response.once('close', () => stop(labelsOf(request, response)));
    next();
  };
}

/** A path that no route took was last tried against one for all paths, with a star. */
function labelsOf(request: Request, response: Response) {
  const { path } = (request.route ?? {}) as { path?: unknown };
  return {
    route: typeof path === 'string' && !path.includes('*') ? path : 'unmatched',
    method: METHODS.has(request.method) ? request.method : 'other',
    status: response.writableFinished ? String(response.statusCode) : 'aborted',
  };
}
