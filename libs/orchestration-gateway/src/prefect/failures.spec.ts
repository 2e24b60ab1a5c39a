import { DomainError, OrchestrationUnavailable } from '@sluice/kernel';
import { RefusedByPrefect, failureOfAnswer, failureOfError, retryAfterSeconds } from './failures';
import { AnswerTooLarge } from './transport';

const NOW = new Date('2026-11-24T00:00:00Z');
const answer = (status: number, text = '', retryAfter: string | null = null) => ({ status, text, retryAfter });
const coded = (code: string) => Object.assign(new Error('x'), { code });

describe('an attempt that brought no answer', () => {
  it.each([
    [coded('ECONNREFUSED'), 'refused'],
    [coded('ENOTFOUND'), 'refused'],
    [coded('EHOSTUNREACH'), 'refused'],
    [coded('ETIMEDOUT'), 'timeout'],
    [coded('ECONNRESET'), 'reset'],
    [coded('EPIPE'), 'reset'],
    [coded('HPE_INVALID_CONSTANT'), 'protocol'],
    [new Error('wrapped', { cause: coded('ECONNRESET') }), 'reset'],
    [new AnswerTooLarge('big'), 'protocol'],
    ['not even an error', 'protocol'],
  ])('%s is %s', (error, reason) => {
    expect(failureOfError(error, false).reason).toBe(reason);
  });

  it('is a timeout when we ended it, whatever the network says of it', () => {
    expect(failureOfError(coded('ECONNRESET'), true).reason).toBe('timeout');
  });
});

describe('an answer', () => {
  it.each([200, 201, 204, 404])('with status %i is one to work with', (status) => {
    expect(failureOfAnswer(answer(status), NOW)).toBeNull();
  });

  it.each([
    [500, 'http_5xx'],
    [503, 'http_5xx'],
    [429, 'rate_limited'],
    [401, 'auth'],
    [403, 'auth'],
    [307, 'protocol'],
    [405, 'protocol'],
  ])('with status %i is unavailability by %s', (status, reason) => {
    const failure = failureOfAnswer(answer(status), NOW);
    expect(failure).toBeInstanceOf(OrchestrationUnavailable);
    expect(failure).toMatchObject({ reason });
  });

  it.each([400, 409, 422])(
    'with status %i is a refusal in the words of Prefect, without the request it repeats',
    (status) => {
      const text = '{"exception_detail":[{"msg":"Invalid cron"}],"request_body":{"secret":1}}';
      const failure = failureOfAnswer(answer(status, text), NOW);
      expect(failure).toBeInstanceOf(RefusedByPrefect);
      expect(failure).not.toBeInstanceOf(DomainError);
      expect(failure?.message).toBe(`Prefect refused a request of Sluice's own making (${status}): ["Invalid cron"]`);
    },
  );

  it.each([
    [400, 'The request specified API version 0.8.4 but this server requires version 0.9.0 or higher.', 'version'],
    [409, 'Data integrity conflict. This usually means a unique or foreign key constraint was violated.', 'http_5xx'],
  ])('with status %i that says "%s" is unavailability by %s', (status, detail, reason) => {
    expect(failureOfAnswer(answer(status, JSON.stringify({ detail })), NOW)).toMatchObject({ reason });
  });

  it('passes on how long to wait', () => {
    expect(failureOfAnswer(answer(429, '', '17'), NOW)).toMatchObject({ retryAfterSeconds: 17 });
    expect(failureOfAnswer(answer(503), NOW)).toMatchObject({ retryAfterSeconds: 5 });
  });
});

describe('Retry-After', () => {
  it.each([
    ['17', 17],
    ['Tue, 24 Nov 2026 00:00:30 GMT', 30],
    ['Mon, 23 Nov 2026 00:00:00 GMT', 0],
    ['soon', undefined],
    [null, undefined],
  ])('%s is %s seconds', (value, seconds) => {
    expect(retryAfterSeconds(answer(429, '', value), NOW)).toBe(seconds);
  });
});
