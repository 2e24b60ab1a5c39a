import { DomainError } from '@sluice/kernel';
import { DatabaseError } from 'pg';
import { QueryFailedError } from 'typeorm';

/** The way to the server, the server starting or stopping, its limits (also a full disk), given up for another's sake, read only after a fail-over, trouble of its machine. */
const PASSING = /^(08|57P0[1235]|53|40|55P03|25006|58)/;
const MISTAKES = new Set(['TypeError', 'RangeError', 'ReferenceError', 'SyntaxError']);

/** The driver tells what befell a connection with errors of all kinds, so everything else that is neither the domain's nor a mistake of ours is one. */
export function isOutage(error: unknown): boolean {
  const fault = (error as { driverError?: unknown } | null)?.driverError ?? error;
  if (fault instanceof DatabaseError) return PASSING.test(fault.code ?? '');
  // By name, not by class: errors of Node's own are of another class where code runs in a context of its own.
  return !(fault instanceof DomainError) && !MISTAKES.has((fault as Error).name);
}

const UNREACHABLE = /^(ECONNREFUSED|ECONNRESET|EPIPE|ETIMEDOUT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH)$/;
/** What the driver and its pool say without a code. */
const SAYS_SO =
  /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Client was closed)/;

/** Of an error of any origin: whether it is the control database's, and an outage. Without the guess of `isOutage`, which knows where its error comes from. */
export function isDatabaseOutage(error: unknown): boolean {
  if (error instanceof QueryFailedError || error instanceof DatabaseError) return isOutage(error);
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  return UNREACHABLE.test(String(code)) || (error instanceof Error && SAYS_SO.test(String(message)));
}
