import { DatabaseError } from 'pg';
import { DestinationError, type LoadErrorType, LoadError } from '../../errors';
import { RowRefused } from '../destination';

/** What is about the rows sent: data exceptions, broken constraints, check options, values too large, what a trigger raises. */
const ABOUT_ROWS = /^(22|23|44|54|P0001)/;
/** Definitions that something else in the database stands against: what depends on the thing, its kind, its default, a key. */
const IN_THE_WAY = /^(0A000|2BP01|2BP02|42804|42809|42P16|42P17|42846|22|23)/;

type DestinationErrorType = DestinationError['type'] & LoadErrorType;
interface Meaning {
  code: RegExp;
  type: DestinationErrorType;
  retry: 'later' | 'never';
  /** Goes before and after what the server said. */
  sentence: readonly [string, string];
}

const AGAIN = 'The next attempt may succeed';
const GAVE_UP = ['The destination gave up: ', `. ${AGAIN}.`] as const;

/**
 * What the server's codes mean to a load, the first that fits.
 * Source: PostgreSQL documentation, appendix "PostgreSQL Error Codes".
 */
const MEANINGS: readonly Meaning[] = [
  {
    code: /^28/,
    type: 'auth',
    retry: 'never',
    sentence: ['The destination does not let us in: ', '. Correct user and password in DESTINATION_URL.'],
  },
  { code: /^(08|57P0[1235])/, type: 'connectivity', retry: 'later', sentence: GAVE_UP },
  {
    code: /^53100/,
    type: 'limit',
    retry: 'later',
    sentence: ['The disk of the destination is full: ', `. Make room; then ${AGAIN.toLowerCase()}.`],
  },
  { code: /^53/, type: 'limit', retry: 'later', sentence: ['The destination is at its limit: ', `. ${AGAIN}.`] },
  {
    code: /^54/,
    type: 'limit',
    retry: 'never',
    sentence: ['That is more than the destination takes: ', '. Load fewer or shorter columns.'],
  },
  {
    code: /^42501/,
    type: 'permission',
    retry: 'never',
    sentence: ["The destination's user may not do this: ", '. Grant the right and run again.'],
  },
  // Whoever altered or dropped the table meanwhile is not asked again: the next attempt takes it as it is.
  {
    code: /^(42P01|42703|3F000)/,
    type: 'schema_mismatch',
    retry: 'later',
    sentence: ['The table is not what it was when the load began: ', '. The next attempt takes it as it is.'],
  },
  // Deadlock, serialization, lock time-out, cancelled, read only after a fail-over, trouble of the server's own machine.
  { code: /^(40|55P03|55006|57014|25006|58)/, type: 'destination', retry: 'later', sentence: GAVE_UP },
];

/** What the database or the way to it says, in our words. Errors of our own pass as they are. */
export function asDestinationError(error: unknown): Error {
  if (error instanceof LoadError || error instanceof RowRefused) return error;
  if (error instanceof DatabaseError) return fromServer(error);
  const fault = error as NodeJS.ErrnoException;
  if (isAbort(fault) || isOurs(fault)) return fault;
  const reason = fault.message === '' ? (fault.code ?? 'no answer') : fault.message;
  return new DestinationError(
    'connectivity',
    `The connection to the destination failed: ${reason}. ${AGAIN}.`,
    'later',
    { cause: error },
  );
}

/** Like `asDestinationError`, of a definition: what stands in its way is told with its name. */
export function asDefinitionError(error: unknown, what: string): Error {
  if (!(error instanceof DatabaseError) || !IN_THE_WAY.test(error.code ?? '')) return asDestinationError(error);
  const message = `${what} cannot be changed as its files need it: ${saidBy(error)}. Change what stands in the way, or the ingestion, and run again.`;
  return new DestinationError('schema_mismatch', message, 'never', { cause: error });
}

function fromServer(error: DatabaseError): DestinationError {
  const meaning = MEANINGS.find(({ code }) => code.test(error.code ?? ''));
  const cause = { cause: error };
  if (meaning === undefined)
    return new DestinationError('destination', `The destination refused: ${saidBy(error)}.`, 'never', cause);
  const [before, after] = meaning.sentence;
  return new DestinationError(meaning.type, `${before}${saidBy(error)}${after}`, meaning.retry, cause);
}

/** The message with its detail, which carries the names and values, as one part of a sentence. */
function saidBy({ message, detail }: DatabaseError): string {
  const parts = detail === undefined ? [message] : [message, detail];
  return parts.map((part) => part.replace(/\.$/, '').replaceAll('\n', '; ')).join(': ');
}

/** Mistakes in this program are not the connection's. */
function isOurs(error: Error): boolean {
  return [TypeError, RangeError, ReferenceError, SyntaxError].some((kind) => error instanceof kind);
}

function isAbort(error: NodeJS.ErrnoException): boolean {
  return error.name === 'AbortError' || error.code === 'ABORT_ERR';
}

/** Whether an error is about rows sent; then which row and column, where the server says so ("COPY t, line 5, column c"). */
export function refusedRow(error: unknown): RowRefused | null {
  if (!(error instanceof DatabaseError) || !ABOUT_ROWS.test(error.code ?? '')) return null;
  const place = /^COPY .+?, line (\d+)(?:, column (.+?))?(?::|$)/m.exec(error.where ?? '');
  return new RowRefused(place === null ? null : Number(place[1]), place?.[2] ?? error.column ?? null, saidBy(error), {
    cause: error,
  });
}
