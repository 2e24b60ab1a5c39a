import { DomainError } from '@sluice/kernel';
import { DatabaseError } from 'pg';

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
