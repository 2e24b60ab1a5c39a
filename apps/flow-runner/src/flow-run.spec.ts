import { randomUUID } from 'node:crypto';
import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { BatchOrchestrator } from '@sluice/batch-orchestrator';
import { anIngestion, DAILY, startControlPlane, type ControlPlane } from '../../../test/support/control-plane';
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
