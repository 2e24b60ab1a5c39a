import { agree, differences, executions, type SeenFlowRun, type SeenRun } from './flow-run-verdicts';

const aFlowRun = (overrides: Partial<SeenFlowRun> = {}): SeenFlowRun => ({
  id: 'first',
  state_type: 'COMPLETED',
  state_name: 'Completed',
  idempotency_key: 'run:r',
  start_time: '2026-11-25T00:00:00Z',
  end_time: '2026-11-25T00:00:01Z',
  run_count: 1,
  parameters: { run_id: 'r' },
  ...overrides,
});
const gaveUp = { state_type: 'CRASHED', state_name: 'Crashed', start_time: '2026-11-25T00:00:01Z', run_count: 0 };
const aRun = (overrides: Partial<SeenRun> = {}): SeenRun => ({
  id: 'r',
  flow_run_id: 'first',
  status: 'success',
  started_at: new Date(0),
  ...overrides,
});

describe('what Sluice and Prefect say of a run', () => {
  it.each([
    ['success', 'COMPLETED', 'Completed'],
    ['partial', 'COMPLETED', 'Partial'],
    ['skipped', 'COMPLETED', 'Skipped'],
    ['failed', 'FAILED', 'Failed'],
    ['crashed', 'CRASHED', 'Crashed'],
    ['cancelled', 'CANCELLED', 'Cancelled'],
  ])('%s is %s "%s"', (status, state_type, state_name) => {
    expect(agree(aRun({ status }), aFlowRun({ state_type, state_name }))).toBe(true);
  });

  it.each([
    ['success', 'RUNNING', 'Running'],
    ['success', 'COMPLETED', 'Skipped'],
    ['skipped', 'CANCELLED', 'Cancelled'],
    ['skipped', 'COMPLETED', 'Completed'],
    ['partial', 'FAILED', 'Failed'],
    ['failed', 'CRASHED', 'Crashed'],
    ['failed', 'CANCELLED', 'Cancelled'],
    ['crashed', 'COMPLETED', 'Completed'],
    ['running', 'COMPLETED', 'Completed'],
  ])('%s is not %s "%s"', (status, state_type, state_name) => {
    const flowRun = aFlowRun({ state_type, state_name });
    expect(differences([aRun({ status })], [flowRun])).toEqual([
      `run r is ${status}, flow run first (run:r) ${state_type} "${state_name}", ran 1 times`,
    ]);
  });

  const cancelled = { ...gaveUp, state_type: 'CANCELLED', state_name: 'Cancelled' };

  it('a refused trigger has failed here and is cancelled there, and never ran', () => {
    expect(agree(aRun({ status: 'failed', started_at: null }), aFlowRun(cancelled))).toBe(true);
  });

  it.each([
    ['failed', new Date(0), cancelled],
    ['failed', null, { ...cancelled, run_count: 1 }],
    ['failed', null, { ...cancelled, start_time: '2026-11-25T00:00:00Z' }],
    ['crashed', null, cancelled],
    ['success', null, cancelled],
  ])('%s, started %p, is not %j', (status, started_at, state) => {
    expect(agree(aRun({ status, started_at }), aFlowRun(state))).toBe(false);
  });

  it.each(['gone', null])('a flow run that Prefect does not have is a difference (%s)', (flow_run_id) => {
    expect(differences([aRun({ flow_run_id })], [aFlowRun()])).toEqual(['run r is success, flow run missing']);
  });
});

describe('how often a trigger was executed', () => {
  const first = aFlowRun(gaveUp);
  const second = aFlowRun({ id: 'second', idempotency_key: 'run:r:2' });
  const handedOver = [aRun({ flow_run_id: 'second' })];

  it('once, by its own flow run', () => {
    expect(executions(['r'], [aRun()], [aFlowRun(), aFlowRun({ parameters: { run_id: 'other' } })])).toEqual({
      instead: [],
      wrong: [],
    });
  });

  it('once, by a second flow run in place of one that crashed before its process came', () => {
    expect(executions(['r'], handedOver, [second, first])).toEqual({ instead: ['r'], wrong: [] });
    const unstarted = { ...first, start_time: null };
    expect(executions(['r'], handedOver, [unstarted, second])).toEqual({ instead: ['r'], wrong: [] });
  });

  it.each<[string, SeenRun[], SeenFlowRun[]]>([
    ['without a flow run', [aRun()], []],
    ['by two flow runs of which both ran', handedOver, [aFlowRun(), second]],
    ['by two flow runs with the same key', handedOver, [first, aFlowRun({ id: 'second' })]],
    ['by a second one with a key of its own', handedOver, [first, { ...second, idempotency_key: 'run:r:3' }]],
    ['by a second one without a key', handedOver, [first, { ...second, idempotency_key: null }]],
    ['by a second one with the key of another run', handedOver, [first, { ...second, idempotency_key: 'run:s:2' }]],
    ['by a second one alone', handedOver, [second]],
    ['by three, one of them in place of the first', handedOver, [first, second, { ...second, id: 'third' }]],
    ['the first one failed', handedOver, [{ ...first, state_type: 'FAILED' }, second]],
    ['the first one was cancelled', handedOver, [{ ...first, state_type: 'CANCELLED' }, second]],
    ['the first one is still pending', handedOver, [{ ...first, state_type: 'PENDING' }, second]],
    ['the first one crashed after it had run', handedOver, [{ ...first, run_count: 1 }, second]],
    [
      'the first one crashed after it had begun',
      handedOver,
      [{ ...first, start_time: '2026-11-25T00:00:00Z' }, second],
    ],
    ['the row is still that of the first one', [aRun()], [first, second]],
    ['the first one has a row as well', [...handedOver, aRun({ id: 'retry' })], [first, second]],
    ['the run has no row', [], [first, second]],
  ])('wrong: %s', (_, runs, flowRuns) => {
    const { instead, wrong } = executions(['r'], runs, flowRuns);
    expect(instead).toEqual([]);
    expect(wrong).toEqual([expect.stringMatching(`^run r has ${flowRuns.length} flow runs: `)]);
  });
});
