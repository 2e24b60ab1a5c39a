import { type ArgumentsHost, Catch, type ExceptionFilter, Injectable, Logger } from '@nestjs/common';
import { isDatabaseOutage } from '@sluice/database';
import { DomainError, OrchestrationUnavailable } from '@sluice/kernel';
import type { Request, Response } from 'express';
import { RouteTable } from '../http/route-table';
import { STATUS_OF, TITLE_OF } from './codes';
import { domainFault } from './domain-fault';
import { type Fault, TransportError } from './fault';
import { transportFault } from './transport-fault';

const INTERNAL: Fault = {
  code: 'INTERNAL_ERROR',
  detail: 'Something went wrong inside Sluice. Give the request_id to whoever runs it: the log tells what happened.',
};

const AWAY: Fault = {
  code: 'DATABASE_UNAVAILABLE',
  detail:
    'The control database cannot be used at the moment. Whether a change was made before it went away shows when it is back.',
  headers: { 'Retry-After': '5' },
};

/** Whatever is thrown becomes one `application/problem+json`. What nobody foresaw is a 500 without internals, logged with its stack. */
@Injectable()
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly logger = new Logger(ProblemFilter.name);

  constructor(private readonly routes: RouteTable) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<Request>();
    const response = host.switchToHttp().getResponse<Response>();
    const fault = this.faultOf(error, request);
    if (fault === AWAY) this.logger.warn(`The control database cannot be used: ${sayingOf(error)}`);
    if (isRiddle(error))
      this.logger.warn({ err: error, request_id: request.id }, 'Prefect answers, but not as it should');
    if (fault.code === 'INTERNAL_ERROR') this.logger.error({ err: error, request_id: request.id }, 'Unexpected error');
    if (response.headersSent) response.destroy();
    else send(response, fault, request.id);
  }

  private faultOf(error: unknown, request: Request): Fault {
    if (error instanceof DomainError) return domainFault(error);
    if (error instanceof TransportError) return error.fault;
    if (isDatabaseOutage(error)) return AWAY;
    return transportFault(error, { method: request.method, path: request.path }, this.routes) ?? INTERNAL;
  }
}

/** Waiting does not help with it, and its sentence is the same whatever was wrong with the answer. */
function isRiddle(error: unknown): boolean {
  return error instanceof OrchestrationUnavailable && error.reason === 'protocol';
}

/** An address that resolves to several gives an `AggregateError`, whose message is empty. */
function sayingOf(error: unknown): string {
  const { message, code } = error as { message?: string; code?: string };
  return message || (code ?? String(error));
}

function send(response: Response, fault: Fault, requestId: unknown): void {
  const { code, detail, members = {}, headers = {} } = fault;
  const status = STATUS_OF[code];
  const type = `urn:sluice:problem:${code.toLowerCase().replaceAll('_', '-')}`;
  const body = { ...members, type, title: TITLE_OF[code], status, detail, code, request_id: requestId };
  response.status(status).set(headers).type('application/problem+json').send(JSON.stringify(body));
}
