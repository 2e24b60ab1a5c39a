import { randomUUID } from 'node:crypto';
import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { BatchOrchestrator, type RunRequest } from '@sluice/batch-orchestrator';
import { NO_METRICS, RunRecorder } from '@sluice/ingestion';
import { OrchestrationUnavailable } from '@sluice/kernel';
import { FlowRunSession } from '@sluice/orchestration-gateway';
import { anIngestion, DAILY, startControlPlane, type ControlPlane } from '../../../test/support/control-plane';
import { plannedRun } from '../../../test/support/fake-prefect/flow-runs';
import { FlowRunExecution } from './flow-run';
import { FlowRunnerModule } from './flow-runner.module';

let plane: ControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
});
afterAll(() => plane.close());

async function execute(flowRunId: string, prepare: (app: INestApplicationContext) => void = () => undefined) {
  const app = await NestFactory.createApplicationContext(FlowRunnerModule.for(plane.config, flowRunId), {
    logger: false,
  });
  prepare(app);
  try {
    return await app.get(FlowRunExecution).execute();
  } finally {
    await app.close();
  }
}

/** A worker was faster than the Sluice that started it and then saw whose deployment it was. */
it('a flow run that one Sluice started of the deployment of another is cancelled by its process, and loads nothing', async () => {
  const { id } = await plane.ingestions.createIngestion(anIngestion({ schedule: DAILY }));
  const { run_id, flow_run_id } = await plane.ingestions.triggerManualRun(id);
  const flowRun = plane.fake.flowRuns.find((it) => it.id === flow_run_id)!;
  flowRun.tags = [...flowRun.tags, `sluice:${randomUUID()}`];
  expect(await execute(flow_run_id)).toBe(0);
  expect(flowRun.state).toMatchObject({ type: 'CANCELLED', message: expect.stringContaining('of another') as string });
  expect(await plane.runs.getRun(run_id)).toMatchObject({ status: 'queued', started_at: null });
});

/** Prefect did what was asked after we had given it up, or a worker had the tick already. */
it('a tick of a draft is cancelled by its process, has no run, and loads nothing', async () => {
  const { id } = await plane.ingestions.createIngestion(anIngestion({ schedule: DAILY }));
  const tick = plannedRun(
    plane.fake.deployments.find((it) => it.name === `ingestion-${id}`)!,
    new Date(),
  );
  plane.fake.flowRuns.push(tick);
  const sql = `UPDATE sluice_control.ingestion SET status = 'draft', prefect_deployment_id = NULL, schedule = NULL WHERE id = $1`;
  await plane.sql(sql, [id]);
  expect(await execute(tick.id)).toBe(0);
  expect(tick.state).toMatchObject({
    type: 'CANCELLED',
    message: 'The ingestion has no timetable; nothing was loaded.',
  });
  expect((await plane.runs.listRuns(id)).items).toEqual([]);
});

const rowOf = async (runId: string) =>
  (await plane.sql('SELECT status, heartbeat_at FROM sluice_control.run WHERE id = $1', [runId]))[0];

it('a run that finds the lease taken, though it was its turn, is given back to Prefect and waits on', async () => {
  const { id } = await plane.ingestions.createIngestion(anIngestion({ schedule: DAILY }));
  const { run_id, flow_run_id } = await plane.ingestions.triggerManualRun(id);
  const held = (app: INestApplicationContext) =>
    Object.assign(app.get(BatchOrchestrator), {
      busyWith: () => Promise.resolve(null),
      runIngestion: () => Promise.resolve('held'),
    });
  expect(await execute(flow_run_id, held)).toBe(0);
  const flowRun = plane.fake.flowRuns.find((it) => it.id === flow_run_id)!;
  expect(flowRun.state).toMatchObject({ type: 'SCHEDULED', name: 'AwaitingConcurrencySlot' });
  expect(await rowOf(run_id)).toEqual({ status: 'queued', heartbeat_at: null });
});

describe('a process that waits for Prefect in vain', () => {
  const away = () => Promise.reject(new OrchestrationUnavailable('timeout', 'Prefect is away.'));
  const triggered = async () => {
    const { id } = await plane.ingestions.createIngestion(anIngestion({ schedule: DAILY }));
    return plane.ingestions.triggerManualRun(id);
  };

  it.each(['proposeRunning', 'readPatiently'] as const)(
    'before it begins leaves its run as if it had not come (%s)',
    async (call) => {
      const { run_id, flow_run_id } = await triggered();
      const unheard = (app: INestApplicationContext) => {
        const session = app.get(FlowRunSession);
        const refused = () => {
          Object.assign(session, { [call]: away });
          return call === 'proposeRunning' ? away() : Promise.resolve(false);
        };
        Object.assign(app.get(BatchOrchestrator), { busyWith: () => Promise.resolve(null) });
        Object.assign(session, { proposeRunning: refused });
      };
      await expect(execute(flow_run_id, unheard)).rejects.toThrow(OrchestrationUnavailable);
      expect(await rowOf(run_id)).toEqual({ status: 'queued', heartbeat_at: null });
    },
  );

  it('when its run has ended leaves it to the reconciler to tell, and no worker calls it crashed', async () => {
    const { run_id, flow_run_id } = await triggered();
    const loaded = (app: INestApplicationContext) => {
      const recorder = app.get(RunRecorder);
      const runIngestion = async ({ runId, executor }: RunRequest) => {
        await recorder.start(runId, executor);
        await recorder.end(runId, executor, { status: 'success', metrics: NO_METRICS, errors: [] });
        return { status: 'success', summary: 'Nothing new to load.', metrics: NO_METRICS, errors: [], files: [] };
      };
      Object.assign(app.get(BatchOrchestrator), { busyWith: () => Promise.resolve(null), runIngestion });
      Object.assign(app.get(FlowRunSession), { finish: away });
    };
    const written = jest.spyOn(process.stderr, 'write').mockReturnValue(true);
    expect(await execute(flow_run_id, loaded)).toBe(0);
    expect(written).toHaveBeenCalledWith(expect.stringContaining(`Run ${run_id} has ended (success)`));
    written.mockRestore();
    expect(await rowOf(run_id)).toMatchObject({ status: 'success' });
  });
});
