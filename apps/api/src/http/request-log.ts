import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import { type HttpLogger, pinoHttp } from 'pino-http';

const HEADER = 'X-Request-Id';
const GIVEN_ID = /^[\w.:-]{1,128}$/;
const PROBES = ['/livez', '/readyz', '/healthz', '/health/orchestration', '/metrics'];

/**
 * One line for each request, and its id: the caller's `X-Request-Id` if it is a plain word, else a new one. It comes back as a header, stands in
 * every problem and in each log line as `request_id`. Headers and bodies are never logged. Probes are logged when they fail.
 */
export function requestLog(logger: Logger): HttpLogger {
  return pinoHttp({
    logger,
    genReqId: identify,
    quietReqLogger: true,
    quietResLogger: true,
    customAttributeKeys: { reqId: 'request_id', res: 'status' },
    customProps: (request) => ({ method: request.method, path: request.url?.split('?')[0] }),
    customLogLevel: (request, response, error) => levelOf(request, response.statusCode, error),
    serializers: {
      err: (error: Error) => error.message,
      status: (response: { statusCode: number }) => response.statusCode,
    },
  });
}

function identify(request: IncomingMessage, response: ServerResponse): string {
  const given = request.headers[HEADER.toLowerCase()];
  const id = typeof given === 'string' && GIVEN_ID.test(given) ? given : randomUUID();
  response.setHeader(HEADER, id);
  return id;
}

function levelOf(request: IncomingMessage, status: number, error: Error | undefined): 'silent' | 'info' | 'warn' {
  if (error !== undefined || status >= 500) return 'warn';
  return PROBES.includes(request.url ?? '') ? 'silent' : 'info';
}
