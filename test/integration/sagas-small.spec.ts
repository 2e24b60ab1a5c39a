import { type Verdict } from '../sagas/point';
import { playSagas, tableOf } from '../sagas/sagas';
import { describeWithPrefect, realPrefect } from '../support/prefect';

const wrong = (verdicts: Verdict[]) => verdicts.filter((it) => it.wrong.length > 0);
const WRITE = /^(POST|PATCH|DELETE) /;
const ROW = /^(INSERT INTO|UPDATE|DELETE FROM) (ingestion|run)/;

/** All points: `npm run test:sagas`. */
describe('the API killed in the middle of an operation, and started again', () => {
  it('comes to agree with Prefect: after the last write of each operation to Prefect', async () => {
    const verdicts = await playSagas({
      ...{ lanes: 2, clock: 'moved' },
      choose: (points) =>
        points.filter((it) => it.when === 'after' && (WRITE.test(it.name) || ROW.test(it.name))).slice(-3, -1),
    });
    process.stderr.write(`${tableOf(verdicts).join('\n')}\n`);
    expect(verdicts.length).toBeGreaterThan(20);
    expect(wrong(verdicts)).toEqual([]);
  }, 240_000);
});

describeWithPrefect('the API killed before the real Prefect has answered it, and started again', () => {
  it('comes to agree with it within a minute by the real clock', async () => {
    const { apiUrl } = await realPrefect();
    const verdicts = await playSagas({
      ...{ lanes: 3, clock: 'real', prefectUrl: apiUrl },
      only: ({ title }) => ['create', 'update: schedule null', 'trigger'].includes(title),
      choose: (points) => points.filter((it) => it.when === 'after' && WRITE.test(it.name)).slice(-1),
    });
    process.stderr.write(`${tableOf(verdicts).join('\n')}\n`);
    expect(verdicts).toHaveLength(3);
    expect(wrong(verdicts)).toEqual([]);
  }, 300_000);
});
