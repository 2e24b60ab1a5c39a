import { ORCHESTRATION_REASONS } from '@sluice/kernel';
import { unavailable } from './failures';
import { AttemptFailed, pauseBefore } from './retry';

const failed = (reason: (typeof ORCHESTRATION_REASONS)[number], askedMs = 0) =>
  new AttemptFailed(unavailable(reason), askedMs);
const most = () => 1;
const least = () => 0;

describe('the pause before a retry', () => {
  it('grows fourfold and is jittered down to its half', () => {
    expect([1, 2].map((retry) => pauseBefore(retry, failed('reset'), 5_000, most))).toEqual([100, 400]);
    expect([1, 2].map((retry) => pauseBefore(retry, failed('reset'), 5_000, least))).toEqual([50, 200]);
  });

  it('does not exist for a third retry', () => {
    expect(pauseBefore(3, failed('reset'), 5_000, least)).toBeNull();
  });

  it('exists for causes that pass and for no other', () => {
    const retried = ORCHESTRATION_REASONS.filter((reason) => pauseBefore(1, failed(reason), 5_000, least) !== null);
    expect(retried).toEqual(['refused', 'timeout', 'reset', 'http_5xx', 'rate_limited']);
  });

  it('is as long as the server asks for, and gives up at once when that does not fit', () => {
    expect(pauseBefore(1, failed('rate_limited', 3_000), 5_000, most)).toBe(3_000);
    expect(pauseBefore(1, failed('rate_limited', 6_000), 5_000, most)).toBeNull();
  });
});
