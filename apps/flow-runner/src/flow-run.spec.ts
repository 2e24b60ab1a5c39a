import { randomUUID } from 'node:crypto';
import { NestFactory } from '@nestjs/core';
import { anIngestion, DAILY, startControlPlane, type ControlPlane } from '../../../test/support/control-plane';
import { plannedRun } from '../../../test/support/fake-prefect/flow-runs';
import { FlowRunExecution } from './flow-run';
import { FlowRunnerModule } from './flow-runner.module';

let plane: ControlPlane;
beforeAll(async () => {
  plane = await startControlPlane();
});
afterAll(() => plane.close());

async function execute(flowRunId: string): Promise<number> {
  const app = await NestFactory.createApplicationContext(FlowRunnerModule.for(plane.config, flowRunId), {
    logger: false,
  });
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
