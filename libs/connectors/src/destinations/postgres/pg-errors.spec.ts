import { DatabaseError } from 'pg';
import { BadFile, DestinationError, Fenced } from '../../errors';
import { RowRefused } from '../destination';
import { asDefinitionError, asDestinationError, refusedRow } from './pg-errors';

function said(code: string, message = 'what it says', more: Partial<DatabaseError> = {}): DatabaseError {
  return Object.assign(new DatabaseError(message, 0, 'error'), { code, ...more });
}

describe('what the destination says', () => {
  it.each([
    ['28P01', 'auth', 'never', 'a wrong password'],
    ['28000', 'auth', 'never', 'a user that may not come in'],
    ['08006', 'connectivity', 'later', 'a broken connection'],
    ['57P01', 'connectivity', 'later', 'an administrator ending us'],
    ['57P02', 'connectivity', 'later', 'a crash'],
    ['57P03', 'connectivity', 'later', 'a server that is starting'],
    ['53300', 'limit', 'later', 'too many connections'],
    ['53100', 'limit', 'later', 'a full disk'],
    ['53200', 'limit', 'later', 'no memory'],
    ['54011', 'limit', 'never', 'too many columns'],
    ['42501', 'permission', 'never', 'a missing right'],
    ['42P01', 'schema_mismatch', 'later', 'a table dropped meanwhile'],
    ['42703', 'schema_mismatch', 'later', 'a column dropped meanwhile'],
    ['40P01', 'destination', 'later', 'a deadlock'],
    ['40001', 'destination', 'later', 'a serialization failure'],
    ['55P03', 'destination', 'later', 'a lock time-out'],
    ['57014', 'destination', 'later', 'a cancelled statement'],
    ['25006', 'destination', 'later', 'a server that is read only'],
    ['58030', 'destination', 'later', 'trouble of its disk'],
    ['3D000', 'destination', 'never', 'no such database'],
    ['42601', 'destination', 'never', 'anything else'],
  ])('%s is of the class %s, retry %s: %s', (code, type, retry) => {
    const error = asDestinationError(said(code));
    expect(error).toBeInstanceOf(DestinationError);
    expect(error).toMatchObject({ type, retry, message: expect.stringMatching(/^[A-Z].*what it says.*\.$/) });
  });

  it.each(['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'ETIMEDOUT', 'EPIPE'])('%s is the connection', (code) => {
    const fault = Object.assign(new Error(''), { code });
    expect(asDestinationError(fault)).toMatchObject({ type: 'connectivity', retry: 'later' });
    expect(asDestinationError(fault).message).toContain(code);
  });

  it.each([
    new BadFile('malformed', 'x'),
    new Fenced(),
    new RowRefused(1, null, 'x'),
    new TypeError('a mistake of ours'),
  ])('passes %p as it is', (error) => {
    expect(asDestinationError(error)).toBe(error);
  });

  it('is told with its detail, in one sentence', () => {
    const error = said('2BP01', 'cannot drop column a', {
      detail: 'view v depends on column a\nview w depends on view v',
    });
    expect(asDefinitionError(error, 'The table t cannot be altered')).toMatchObject({
      type: 'schema_mismatch',
      retry: 'never',
      message:
        'The table t cannot be altered: cannot drop column a: view v depends on column a; view w depends on view v. Change what stands in the way, or the ingestion.',
    });
  });
});

describe('a refused row', () => {
  it.each([
    ['COPY t, line 5, column amount: "x"', 5, 'amount'],
    ['COPY t, line 5', 5, null],
    ['PL/pgSQL function f() line 3 at RAISE\nCOPY t, line 12: "1,2"', 12, null],
  ])('is found in %j', (where, row, column) => {
    expect(refusedRow(said('22P02', 'bad', { where }))).toMatchObject({ row, column, message: 'bad' });
  });

  it('is none where the server speaks of something else', () => {
    expect(refusedRow(said('40P01'))).toBeNull();
    expect(refusedRow(new Error('the connection broke'))).toBeNull();
  });
});
