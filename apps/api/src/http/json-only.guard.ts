import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { Request } from 'express';
import { TransportError } from '../problem/fault';
import { BODY_TYPES } from './limits';

/** A body that is not JSON was not parsed: without this it would count as no body at all. */
@Injectable()
export class JsonOnlyGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<Request>();
    if (request.is(BODY_TYPES) !== false) return true;
    const given = request.get('content-type') ?? 'without a Content-Type';
    throw new TransportError({
      code: 'UNSUPPORTED_MEDIA_TYPE',
      detail: `The body was sent ${given.includes('/') ? `as ${given}` : given}. Send JSON, with Content-Type: application/json.`,
    });
  }
}
