import { DatabaseError } from 'pg';
import { DestinationError, LoadError } from '../../errors';
import { RowRefused } from '../destination';

/** What is about the rows sent: data exceptions, broken constraints, check options, values too large, what a trigger raises. */
const ABOUT_ROWS = /^(22|23|44|54|P0001)/;
/** Classes and codes after which the same may succeed: connection, transaction rollback, resources, lock not available, shutdown. */
const PASSING = /^(08|40|53|55P03|57P0[123]|58)/;

/** What the database or the way to it says, in our words. Errors of our own pass as they are. */
export function asDestinationError(error: unknown): Error {
  if (error instanceof LoadError || error instanceof RowRefused) return error;
  if (error instanceof DatabaseError) return fromServer(error);
  const fault = error as NodeJS.ErrnoException;
  if (isAbort(fault) || isOurs(fault)) return fault;
  const reason = fault.message === '' ? (fault.code ?? 'no answer') : fault.message;
  return new DestinationError(
    'connectivity',
    `The connection to the destination failed: ${reason}. The next run tries again.`,
    'later',
    { cause: error },
  );
}

function fromServer(error: DatabaseError): Error {
  const code = error.code ?? '';
  const cause = { cause: error };
  if (PASSING.test(code))
    return new DestinationError(
      'connectivity',
      `The destination gave up: ${error.message}. The next run tries again.`,
      'later',
      cause,
    );
  if (code === '42501')
    return new DestinationError(
      'permission',
      `The destination's user may not do this: ${error.message}. Grant the right and run again.`,
      'never',
      cause,
    );
  return new DestinationError('destination', `The destination refused: ${error.message}.`, 'never', cause);
}

/** Mistakes in this program are not the connection's. */
function isOurs(error: Error): boolean {
  return [TypeError, RangeError, ReferenceError, SyntaxError].some((kind) => error instanceof kind);
}

function isAbort(error: NodeJS.ErrnoException): boolean {
  return error.name === 'AbortError' || error.code === 'ABORT_ERR';
}

/** Whether an error during a COPY is about a row; then which row and column (from "COPY t, line 5, column c"). */
export function refusedRow(error: unknown): RowRefused | null {
  if (!(error instanceof DatabaseError) || !ABOUT_ROWS.test(error.code ?? '')) return null;
  const place = /^COPY .+?, line (\d+)(?:, column (.+?))?(?::|$)/m.exec(error.where ?? '');
  return new RowRefused(place === null ? null : Number(place[1]), place?.[2] ?? error.column ?? null, error.message, {
    cause: error,
  });
}
