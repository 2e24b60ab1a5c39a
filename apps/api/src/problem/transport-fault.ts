import { BadRequestException, NotFoundException } from '@nestjs/common';
import type { RouteTable } from '../http/route-table';
import { BODY_LIMIT } from '../http/limits';
import type { Fault } from './fault';

/** The call which failed. */
export interface Call {
  method: string;
  path: string;
}

/** What Nest, Express and the body parser throw, in the words of a problem; `null`: none of theirs. */
export function transportFault(error: unknown, call: Call, routes: RouteTable): Fault | null {
  if (error instanceof NotFoundException) return noRoute(call, routes);
  if (error instanceof BadRequestException) return unreadable(error.message);
  return parserFault(error);
}

/** Nest says "not found" for an unknown path and for a known one with another method. */
function noRoute({ method, path }: Call, routes: RouteTable): Fault {
  const allowed = routes.methodsOf(path);
  if (allowed.length === 0) {
    return { code: 'ROUTE_NOT_FOUND', detail: `There is no ${path}. All routes are shown at /docs.` };
  }
  const allow = allowed.join(', ');
  return { code: 'METHOD_NOT_ALLOWED', detail: `${path} takes ${allow}, not ${method}.`, headers: { Allow: allow } };
}

/** Nest turns the parser's SyntaxError and the router's URIError into this one; their words may quote the body, so they stay here. */
function unreadable(message: string): Fault {
  if (message.startsWith('Failed to decode')) {
    return {
      code: 'BAD_REQUEST',
      detail: 'The path is not valid: a "%" must be followed by two hexadecimal digits of UTF-8.',
    };
  }
  return { code: 'MALFORMED_JSON', detail: `The body is not valid JSON${placeIn(message)}. Send one JSON object.` };
}

function placeIn(message: string): string {
  const [, position] = / at position (\d+)/.exec(message) ?? [];
  return position === undefined ? '' : ` (at character ${position})`;
}

/** Errors of the body parser carry `type`, a fixed word. */
function parserFault(error: unknown): Fault | null {
  switch ((error as { type?: unknown } | null)?.type) {
    case 'entity.too.large':
      return { code: 'PAYLOAD_TOO_LARGE', detail: `The body is larger than ${BODY_LIMIT} bytes.` };
    case 'encoding.unsupported':
    case 'charset.unsupported':
      return {
        code: 'UNSUPPORTED_MEDIA_TYPE',
        detail: 'Send JSON in UTF-8, plain or compressed with gzip, deflate or br.',
      };
    case 'request.aborted':
    case 'request.size.invalid':
      return { code: 'BAD_REQUEST', detail: 'The body ended before all of it had come.' };
    default:
      return undecodable(error);
  }
}

/** A compressed body which is not what its Content-Encoding says: zlib's error, marked 400 by the parser. */
function undecodable(error: unknown): Fault | null {
  const isParsers = error instanceof Error && (error as { status?: unknown }).status === 400;
  return isParsers
    ? { code: 'BAD_REQUEST', detail: 'The body cannot be decoded: its Content-Encoding does not fit.' }
    : null;
}
