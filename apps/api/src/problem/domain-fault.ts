import { type DomainError, OrchestrationUnavailable, RunActive, ValueError } from '@sluice/kernel';
import type { Fault } from './fault';

/** Seconds after which a call that failed for a passing reason may be tried again, where the error does not say. */
const RETRY_AFTER_SECONDS = 5;

/** A domain error in the words of a problem. Code and sentence are its own; only facts the wire promises are added. */
export function domainFault(error: DomainError): Fault {
  return { code: error.code, detail: error.message, ...membersOf(error), ...headersOf(error) };
}

function membersOf(error: DomainError): Pick<Fault, 'members'> {
  if (error instanceof OrchestrationUnavailable) return { members: { reason: error.reason } };
  if (error instanceof RunActive) return { members: { run_id: error.runId } };
  if (error instanceof ValueError && error.path !== undefined)
    return { members: { errors: [{ path: error.path, message: error.message }] } };
  return {};
}

function headersOf(error: DomainError): Pick<Fault, 'headers'> {
  if (error instanceof OrchestrationUnavailable) return retryAfter(error.retryAfterSeconds);
  return error.code === 'DESTINATION_UNAVAILABLE' ? retryAfter(RETRY_AFTER_SECONDS) : {};
}

/** Whole seconds, at least one: `Retry-After: 0` would invite a storm. */
function retryAfter(seconds: number): Pick<Fault, 'headers'> {
  return { headers: { 'Retry-After': String(Math.max(1, Math.ceil(seconds))) } };
}
