import { type ArgumentMetadata, Injectable, type PipeTransform, ValidationPipe } from '@nestjs/common';
import type { ValidationError } from 'class-validator';
import { type FieldError, invalid } from '../problem/fault';

/** Text that PostgreSQL cannot keep: a NUL, and half of a surrogate pair, which UTF-8 does not know and drivers replace in silence. */
const UNSTORABLE = /\0|\p{Surrogate}/u;

/** Nothing here is nested deeper than a few levels; what looks at it goes down by recursion. */
const MAX_LEVELS = 100;

/** The part of a body or query that is nested too deep. Level by level, so that its depth costs nothing. */
function tooDeep(value: unknown): string | undefined {
  const parts = Object.entries(isNested(value) ? value : {});
  return parts.find(([, part]) => levels([part]) >= MAX_LEVELS)?.[0];
}

function levels(values: unknown[]): number {
  let [level, inner] = [0, values.filter(isNested)];
  for (; inner.length > 0 && level < MAX_LEVELS; level += 1)
    inner = inner.flatMap((one) => Object.values(one as Record<string, unknown>)).filter(isNested);
  return level;
}

function isNested(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** Paths of all keys and values, at any depth, that hold such text. */
function unstorable(value: unknown, path = ''): string[] {
  if (typeof value === 'string') return UNSTORABLE.test(value) ? [path] : [];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => {
    const full = path === '' ? key : `${path}.${key}`;
    return UNSTORABLE.test(key) ? [path] : unstorable(inner, full);
  });
}

/** Refuses what is nested beyond reason, and text that could not be kept as it is, wherever it stands in a body or a query. */
@Injectable()
export class StorableTextPipe implements PipeTransform<unknown> {
  transform(value: unknown, { type }: ArgumentMetadata): unknown {
    if (type !== 'body' && type !== 'query') return value;
    const deep = tooDeep(value);
    if (deep !== undefined)
      throw invalid([{ path: deep, message: `${deep} is nested deeper than ${MAX_LEVELS} levels` }]);
    const paths = unstorable(value);
    if (paths.length === 0) return value;
    throw invalid(paths.map((path) => ({ path, message: `${path} holds a character that cannot be stored` })));
  }
}

/** Turns bodies and queries into their DTOs and refuses what the DTO does not name, at every depth, all faults at once. */
export function bodyAndQueryPipe(): ValidationPipe {
  return new ValidationPipe({
    whitelist: true,
    forbidNonWhitelisted: true,
    forbidUnknownValues: true,
    transform: true,
    transformOptions: { exposeUnsetFields: false },
    validationError: { target: false, value: false },
    exceptionFactory: (errors) => invalid(errors.flatMap((error) => fieldErrors(error, ''))),
  });
}

function fieldErrors(error: ValidationError, prefix: string): FieldError[] {
  const path = `${prefix}${error.property}`;
  const own = Object.entries(error.constraints ?? {}).map(([rule, message]) => ({
    path,
    message:
      rule === 'whitelistValidation' ? `${path} is not a known field` : withWholePath(message, error.property, path),
  }));
  return [...own, ...(error.children ?? []).flatMap((child) => fieldErrors(child, `${path}.`))];
}

function withWholePath(message: string, property: string, path: string): string {
  return message.startsWith(`${property} `) ? path + message.slice(property.length) : message;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** A path parameter that is a UUID, in lower case. */
@Injectable()
export class UuidPipe implements PipeTransform<string, string> {
  transform(value: string, { data = 'id' }: ArgumentMetadata): string {
    if (UUID.test(value)) return value.toLowerCase();
    throw invalid([{ path: data, message: `${data} must be a UUID` }]);
  }
}

const MAX_VERSION = 2 ** 31 - 1;

/** A path parameter that counts from 1. */
@Injectable()
export class VersionPipe implements PipeTransform<string, number> {
  transform(value: string, { data = 'n' }: ArgumentMetadata): number {
    const version = /^\d{1,10}$/.test(value) ? Number(value) : 0;
    if (version >= 1 && version <= MAX_VERSION) return version;
    throw invalid([{ path: data, message: `${data} must be a whole number from 1` }]);
  }
}
