import { type Logger, pino } from 'pino';

/** What a log may hold of an error. A driver's error also carries the values of its statement, which are not for a log. */
interface LoggedError {
  type: string;
  message: string;
  stack?: string | undefined;
  code?: unknown;
  cause?: unknown;
}

export function rootLogger(level: string): Logger {
  return pino({ level, serializers: { err: logged } });
}

function logged(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { message, stack, code, cause } = error as Error & { code?: unknown };
  const entry: LoggedError = { type: error.constructor.name, message, stack };
  return {
    ...entry,
    ...(code === undefined ? {} : { code }),
    ...(cause === undefined ? {} : { cause: logged(cause) }),
  };
}
