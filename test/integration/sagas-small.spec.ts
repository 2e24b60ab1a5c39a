import type { Point, Verdict } from '../sagas/point';
import { playSagas, tableOf } from '../sagas/sagas';
import { describeWithPrefect, realPrefect } from '../support/prefect';

const WRITE = /^(POST|PATCH|DELETE) \/(?!.*filter)/;
const ROW = /^(INSERT INTO|UPDATE|DELETE FROM) (ingestion|run)/;
const wrong = (verdicts: Verdict[]) => verdicts.filter((it) => it.wrong.length > 0);

/** Just before and after its last write to Prefect, else to its row. */
function aFew(points: Point[]): Point[] {
  const last = [WRITE, ROW].map((kind) => points.findLastIndex((it) => kind.test(it.name))).find((at) => at > 0) ?? 1;
  return points.slice(last - 1, last + 1);
}

/** All points: `npm run test:sagas`. */
describe('the API killed in the middle of an operation, and started again', () => {
  it('comes to agree with Prefect, from just before and after the last write of each operation', async () => {
    const verdicts = await playSagas({ lanes: 2, clock: 'moved', choose: aFew });
    process.stderr.write(`${tableOf(verdicts).join('\n')}\n`);
    expect(verdicts).toHaveLength(28);
    expect(wrong(verdicts)).toEqual([]);
  }, 300_000);
});

describeWithPrefect('the API killed before the real Prefect has answered it, and started again', () => {
  it('comes to agree with it within a minute by the real clock', async () => {
    const { apiUrl } = await realPrefect();
    const verdicts = await playSagas({
      ...{ lanes: 3, clock: 'real', prefectUrl: apiUrl },
      only: ({ title }) => ['create', 'update: schedule null', 'trigger'].includes(title),
      choose: (points) => aFew(points).slice(-1),
    });
    process.stderr.write(`${tableOf(verdicts).join('\n')}\n`);
    expect(verdicts).toHaveLength(3);
    expect(wrong(verdicts)).toEqual([]);
  }, 300_000);
});
