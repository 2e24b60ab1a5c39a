import { type Answer, last503, type Phase } from './answer-verdicts';

const phases: Phase[] = [
  { name: 'killed', from: 0, to: 10_000, isFault: true, outageMs: 0 },
  { name: 'starts again', from: 10_000, to: 20_000, isFault: false, outageMs: 0 },
  { name: 'frozen', from: 20_000, to: 30_000, isFault: true, outageMs: 0 },
  { name: 'goes on', from: 30_000, to: 40_000, isFault: false, outageMs: 0 },
  { name: 'nobody answers', from: 40_000, to: Infinity, isFault: true, outageMs: 8_000 },
];
const refused = (at: number, ms = 10): Answer => ({ status: 503, at, ms });
const seen = (...answers: Answer[]) => phases.map((phase) => last503(answers, phase, phases));

describe('how long after a fault clients are still refused', () => {
  it('not at all: none was', () => {
    expect(seen({ status: 200, at: 5_000, ms: 10 }, { status: 409, at: 25_000, ms: 10 })).toEqual([
      null,
      null,
      null,
      null,
      null,
    ]);
  });

  it('until the last of them was sent', () => {
    expect(seen(refused(1_000), refused(3_000), refused(2_000), refused(29_000))).toEqual([
      3_000,
      null,
      9_000,
      null,
      null,
    ]);
  });

  it('what was sent before a fault and not answered when it began is refused for that fault', () => {
    expect(seen(refused(19_900, 5_000))).toEqual([null, null, 0, null, null]);
  });

  it('what was answered before the fault began is not', () => {
    expect(seen(refused(19_000, 500))).toEqual([null, 9_000, null, null, null]);
  });

  it('the end of a fault excuses nothing', () => {
    expect(seen(refused(9_900, 5_000), refused(29_900, 5_000))).toEqual([9_900, null, 9_900, null, null]);
  });

  it('an outage of all is counted from its end', () => {
    expect(seen(refused(41_000))).toEqual([null, null, null, null, 0]);
    expect(seen(refused(57_000))).toEqual([null, null, null, null, 9_000]);
  });
});
