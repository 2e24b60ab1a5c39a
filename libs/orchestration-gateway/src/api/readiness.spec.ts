import { Readiness } from './readiness';

const at = (seconds: number) => new Date(1_000_000 + seconds * 1000);

describe('the live flag', () => {
  it('is false, not initialized, before the first probe', () => {
    const readiness = new Readiness();
    expect(readiness.isUp(at(0))).toBe(false);
    expect(readiness.reason(at(0))).toBe('not_initialized');
  });

  it('turns true with the very first hit', () => {
    const readiness = new Readiness();
    readiness.miss(at(0), 'refused');
    readiness.hit(at(1));
    expect(readiness.isUp(at(1))).toBe(true);
    expect(readiness.reason(at(1))).toBeNull();
  });

  it('outlives one miss and falls with the second, with its reason', () => {
    const readiness = new Readiness();
    readiness.hit(at(0));
    readiness.miss(at(5), 'timeout');
    expect(readiness.isUp(at(5))).toBe(true);
    readiness.miss(at(10), 'http_5xx');
    expect(readiness.isUp(at(10))).toBe(false);
    expect(readiness.reason(at(10))).toBe('http_5xx');
  });

  it('rises again with two hits in a row, not with one', () => {
    const readiness = fallen();
    readiness.hit(at(11));
    expect(readiness.isUp(at(11))).toBe(false);
    readiness.miss(at(12), 'refused');
    readiness.hit(at(13));
    expect(readiness.isUp(at(13))).toBe(false);
    readiness.hit(at(14));
    expect(readiness.isUp(at(14))).toBe(true);
  });

  it('is false once the last success is more than 15 s old, even without a miss', () => {
    const readiness = new Readiness();
    readiness.hit(at(0));
    expect(readiness.isUp(at(15))).toBe(true);
    expect(readiness.isUp(at(15.001))).toBe(false);
  });

  it('knows since when it is what it is', () => {
    const readiness = new Readiness();
    expect(readiness.since(at(0))).toBeNull();
    readiness.hit(at(1));
    readiness.hit(at(5));
    readiness.miss(at(8), 'refused');
    expect(readiness.since(at(8))).toEqual(at(1));
    readiness.miss(at(9), 'refused');
    readiness.miss(at(10), 'refused');
    expect(readiness.since(at(10))).toEqual(at(9));
    readiness.hit(at(11));
    readiness.hit(at(12));
    expect(readiness.since(at(12))).toEqual(at(12));
  });

  it('whose time ran out says timeout, since the end of that time', () => {
    const readiness = new Readiness();
    readiness.hit(at(0));
    expect(readiness.reason(at(16))).toBe('timeout');
    expect(readiness.since(at(16))).toEqual(at(15));
  });

  it('asks for a quick second look after a miss', () => {
    const readiness = new Readiness();
    readiness.hit(at(0));
    expect(readiness.isMissing).toBe(false);
    readiness.miss(at(5), 'timeout');
    expect(readiness.isMissing).toBe(true);
  });

  function fallen(): Readiness {
    const readiness = new Readiness();
    readiness.hit(at(0));
    readiness.miss(at(5), 'refused');
    readiness.miss(at(10), 'refused');
    return readiness;
  }
});
