import { BadFile, DestinationError, Fenced } from '@sluice/connectors';
import { mayPass, pauseBefore } from './attempts';

const rules = { most: 6, firstPauseMs: 1000 };

describe('pauses between attempts', () => {
  it('double, to one minute at most', () => {
    const pauses = [2, 3, 4, 8, 20].map((next) => pauseBefore(next, { ...rules, random: () => 0.5 }));
    expect(pauses).toEqual([1000, 2000, 4000, 60_000, 60_000]);
  });

  it('are spread by a quarter to either side', () => {
    expect(pauseBefore(2, { ...rules, random: () => 0 })).toBe(750);
    expect(pauseBefore(2, { ...rules, random: () => 1 })).toBe(1250);
  });
});

describe('what may pass', () => {
  it.each([
    ['a connection that broke', new DestinationError('connectivity', 'x', 'later'), true],
    ['a right that is missing', new DestinationError('permission', 'x', 'never'), false],
    ['another run in its place', new Fenced(), false],
    ['a bad file', new BadFile('malformed', 'x'), false],
    ['a mistake in the program', new TypeError('x'), false],
  ])('%s: %#', (_, fault, expected) => {
    expect(mayPass(fault)).toBe(expected);
  });
});
