import { randomUUID } from 'node:crypto';
import { OrchestrationUnavailable } from '@sluice/kernel';
import { anIngestion, DAILY, refusalOf, startControlPlane, until, type ControlPlane } from '../support/control-plane';
import { enterState, newState } from '../support/fake-prefect';

let plane: ControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
});
afterEach(async () => {
  await plane.fake.behave();
  await until(() => plane.gateway.initialized);
});
afterAll(() => plane.close());

const scheduled = () => plane.ingestions.createIngestion(anIngestion({ schedule: DAILY }));
const flowRun = (id: string) => plane.fake.flowRuns.find((it) => it.id === id)!;
const flowRunsOf = (id: string) =>
  plane.fake.flowRuns.filter((it) => it.parameters['ingestion_id'] === id && !it.auto_scheduled);
/** What a pass did about this run. */
const passOn = async (runId: string) => (await plane.reconciler.runOnce()).filter((it) => it.includes(runId));
const runOf = async (id: string) => (await plane.runs.listRuns(id)).items.at(-1)!;
const later = (seconds: number) =>
  plane.sql(`UPDATE sluice_control.run SET ended_at = ended_at - make_interval(secs => $1)`, [seconds]);

/** As the API leaves it when it dies after Prefect has made the flow run, and half a minute has gone by. */
async function forgotten() {
  const { id } = await scheduled();
  const made = await plane.ingestions.triggerManualRun(id);
  await plane.sql(
    `UPDATE sluice_control.run SET flow_run_id = NULL, created_at = now() - interval '31 seconds' WHERE id = $1`,
    [made.run_id],
  );
  return { id, ...made };
}

describe('a trigger whose process died', () => {
  it('after Prefect had made the flow run: the run gets it, and loads', async () => {
    const { id, run_id, flow_run_id } = await forgotten();
    expect(await passOn(run_id)).toEqual([
      `Wrote down flow run ${flow_run_id} of run ${run_id}: the process that made it died`,
    ]);
    expect(await runOf(id)).toMatchObject({ status: 'queued', flow_run_id });
    await plane.recorder.enter({ ingestionId: id, flowRunId: flow_run_id, runId: run_id, scheduled: false });
    expect(await plane.recorder.start(run_id, randomUUID())).toBe(true);
    expect(await passOn(run_id)).toEqual([]);
  });

  it('after Prefect had made the flow run: the next trigger finds that run in its way', async () => {
    const { id, run_id, flow_run_id } = await forgotten();
    expect(await refusalOf(plane.ingestions.triggerManualRun(id))).toMatchObject({ code: 'RUN_ACTIVE', runId: run_id });
    expect(await runOf(id)).toMatchObject({ status: 'queued', flow_run_id });
  });

  it('before there was a flow run: the run fails', async () => {
    const { id, run_id } = await forgotten();
    plane.fake.flowRuns.splice(0);
    expect(await passOn(run_id)).toEqual([`Ended run ${run_id} as failed: it was never handed to Prefect`]);
    expect(await runOf(id)).toMatchObject({ status: 'failed', errors: [{ error_type: 'NeverSent' }] });
  });

  it('a moment ago is left alone', async () => {
    const { run_id } = await forgotten();
    await plane.sql(`UPDATE sluice_control.run SET created_at = now() WHERE id = $1`, [run_id]);
    expect(await passOn(run_id)).toEqual([]);
  });

  it('that gets its flow run while Prefect is asked keeps it', async () => {
    const { id, run_id } = await forgotten();
    const spy = jest.spyOn(plane.gateway, 'flowRunsMadeFor').mockImplementationOnce(async () => {
      await plane.sql('UPDATE sluice_control.run SET flow_run_id = gen_random_uuid() WHERE id = $1', [run_id]);
      return new Map();
    });
    await passOn(run_id);
    spy.mockRestore();
    expect(await runOf(id)).toMatchObject({ id: run_id, status: 'queued', errors: [] });
  });

  it('is not judged while Prefect cannot be asked', async () => {
    const { id, run_id } = await forgotten();
    await plane.fake.misbehave('http_500', { route: /flow_runs\/filter/ });
    expect(await passOn(run_id)).toEqual([]);
    expect((await runOf(id)).status).toBe('queued');
  });

  it("and whose flow run was cancelled since ends so, and stands in nobody's way", async () => {
    const { id, run_id, flow_run_id } = await forgotten();
    enterState(flowRun(flow_run_id), newState('CANCELLED'));
    expect((await plane.ingestions.triggerManualRun(id)).run_id).not.toBe(run_id);
    expect(await plane.runs.getRun(run_id)).toMatchObject({ status: 'cancelled', flow_run_id });
  });
});

describe('a flow run whose run has ended before it began', () => {
  it('does not wait for a worker after its trigger was answered 503', async () => {
    const { id } = await scheduled();
    await plane.fake.misbehave('lost_answer', { route: /create_flow_run/ });
    expect(await refusalOf(plane.ingestions.triggerManualRun(id))).toBeInstanceOf(OrchestrationUnavailable);
    await plane.fake.behave();
    await until(() => plane.gateway.initialized);
    const [[made], { id: runId }] = [flowRunsOf(id), await runOf(id)];
    expect(await passOn(runId)).toEqual([]);
    await later(11);
    expect(await passOn(runId)).toEqual([`Cancelled flow run ${made!.id}: run ${runId} ended before it began`]);
    expect(made).toMatchObject({ state_type: 'CANCELLED' });
    expect(await passOn(runId)).toEqual([]);
  });

  it('does not wait either when the run was cancelled while it was handed over', async () => {
    const { id, run_id, flow_run_id } = await forgotten();
    expect((await plane.runs.cancelRun(run_id)).status).toBe('cancelled');
    await later(11);
    expect(await passOn(run_id)).toEqual([`Cancelled flow run ${flow_run_id}: run ${run_id} ended before it began`]);
    expect(flowRunsOf(id)).toMatchObject([{ state_type: 'CANCELLED' }]);
  });

  it('is left alone when a worker has it', async () => {
    const { run_id, flow_run_id } = await forgotten();
    enterState(flowRun(flow_run_id), newState('PENDING'));
    await plane.sql(`UPDATE sluice_control.run SET status = 'failed', ended_at = now() WHERE id = $1`, [run_id]);
    await later(11);
    expect(await passOn(run_id)).toEqual([]);
    expect(flowRun(flow_run_id).state_type).toBe('PENDING');
  });
});

describe('a trigger that could not write down its flow run', () => {
  /** The control database goes away as soon as Prefect has made the flow run. */
  const awayOnceMade = (): jest.SpyInstance => {
    const query = plane.dataSource.query.bind(plane.dataSource);
    let away = false;
    return jest.spyOn(plane.dataSource, 'query').mockImplementation((sql: string, ...rest: unknown[]) => {
      away ||= sql.includes('AS never_runs');
      if (!away) return query(sql, ...(rest as [])) as Promise<never>;
      return Promise.reject(new Error('Connection terminated unexpectedly'));
    });
  };

  it('is answered with the fault, and its flow run is taken back; with its key it is a new run', async () => {
    const { id } = await scheduled();
    const key = { idempotencyKey: randomUUID() };
    const spy = awayOnceMade();
    await expect(plane.ingestions.triggerManualRun(id, {}, key)).rejects.toThrow('terminated');
    spy.mockRestore();
    await itsTimeIsOver();
    expect(flowRunsOf(id)).toMatchObject([{ state_type: 'CANCELLED' }]);
    const first = await runOf(id);
    expect((await plane.ingestions.triggerManualRun(id, {}, key)).run_id).not.toBe(first.id);
    expect((await plane.runs.getRun(first.id)).status).toBe('cancelled');
    expect(flowRunsOf(id)).toMatchObject([{ state_type: 'CANCELLED' }, { state_type: 'SCHEDULED' }]);
  }, 15_000);

  it('nor take it back, is answered with the run, which loads; with its key it is the same', async () => {
    const { id } = await scheduled();
    const key = { idempotencyKey: randomUUID() };
    await plane.fake.misbehave('http_500', { route: /set_state/ });
    const spy = awayOnceMade();
    const triggered = await plane.ingestions.triggerManualRun(id, {}, key);
    spy.mockRestore();
    await plane.fake.behave();
    const [made] = flowRunsOf(id);
    const { id: runId, ...run } = await runOf(id);
    expect(triggered).toEqual({ run_id: runId, flow_run_id: made!.id });
    expect([made!.state_type, run.status, run.flow_run_id]).toEqual(['SCHEDULED', 'queued', null]);
    await until(() => plane.gateway.initialized);
    await itsTimeIsOver();
    expect(await plane.ingestions.triggerManualRun(id, {}, key)).toEqual(triggered);
    expect(await runOf(id)).toMatchObject({ id: runId, status: 'queued', flow_run_id: made!.id });
  }, 15_000);

  /** The key and the claim that could not be given back. */
  async function itsTimeIsOver(): Promise<void> {
    await plane.sql(`UPDATE sluice_control.idempotency_key SET held_until = '-infinity' WHERE held_until IS NOT NULL`);
    await plane.sql(
      `UPDATE sluice_control.ingestion SET operation_expires_at = '-infinity' WHERE operation_id IS NOT NULL`,
    );
  }
});
