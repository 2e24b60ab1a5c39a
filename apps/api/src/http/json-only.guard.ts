import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { TransportError } from '../problem/fault';
import { BODY_TYPES } from './limits';

/** A body that is not JSON was not parsed: without this it would count as no body at all. */
@Injectable()
export class JsonOnlyGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<Request>();
    if (isEmpty(request) || request.is(BODY_TYPES) !== false) return true;
    const given = request.get('content-type') ?? 'without a Content-Type';
    throw new TransportError({
      code: 'UNSUPPORTED_MEDIA_TYPE',
      detail: `The body was sent ${given.includes('/') ? `as ${given}` : given}. Send JSON, with Content-Type: application/json.`,
    });
  }
}

/** Many clients announce the body they do not send: `Content-Length: 0`. */
function isEmpty(request: Request): boolean {
  return request.get('transfer-encoding') === undefined && Number(request.get('content-length') ?? 0) === 0;
}
