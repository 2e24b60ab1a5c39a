import type { ProblemCode, TransportCode } from './codes';

/** One wrong value: `path` names it in the wire's words (`schedule.cron_expression`). */
export interface FieldError {
  path: string;
  message: string;
}

/** What a problem says this time: sentence, further members of the body, headers of the answer. */
export interface Fault {
  code: ProblemCode;
  detail: string;
  members?: Record<string, unknown>;
  headers?: Record<string, string>;
}

/** A fault which the HTTP face itself finds; domain errors come from below. */
export class TransportError extends Error {
  constructor(readonly fault: Fault & { code: TransportCode }) {
    super(fault.detail);
    this.name = 'TransportError';
  }
}

/** The answer to wrong fields: all of them at once. */
export function invalid(errors: FieldError[]): TransportError {
  const [first] = errors;
  const detail =
    first !== undefined && errors.length === 1
      ? `${first.message}.`
      : `${errors.length} values are wrong: ${errors.map(({ path }) => path).join(', ')}. What is wrong with each is said in errors.`;
  return new TransportError({ code: 'VALIDATION_FAILED', detail, members: { errors } });
}
