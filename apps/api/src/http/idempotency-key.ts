import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Request } from 'express';
import { invalid } from '../problem/fault';

const MAX_LENGTH = 255;

/** The header `Idempotency-Key` as it came, `undefined` if it did not come. */
export const IdempotencyKey = createParamDecorator((_: unknown, context: ExecutionContext) => {
  const key = context.switchToHttp().getRequest<Request>().get('idempotency-key');
  if (key === undefined || (key !== '' && key.length <= MAX_LENGTH)) return key;
  throw invalid([{ path: 'Idempotency-Key', message: `Idempotency-Key must have 1 to ${MAX_LENGTH} characters` }]);
});
