import { endInPrefect, endOf, triggered } from '../support/orders';
import { OwnStack } from '../support/own-stack';
import { describeWithPrefect } from '../support/prefect';
import { processWith } from '../support/processes';
import { startSystem, type System, until, type WireRun } from '../support/system';
import {
  allAreIn,
  begun,
  bothEnd,
  holdLedger,
  nextRunLoads,
  PROMISED_MS,
  stateOf,
  untilCopied,
  untilPrefectIsBack,
} from '../support/whole-runs';

describeWithPrefect('a run ends, whatever dies', () => {
  let stack: OwnStack;
  let system: System;
  beforeAll(async () => {
    stack = await OwnStack.start();
    system = await startSystem({}, 8, stack.servers);
  }, 240_000);
  afterAll(async () => {
    await system.stop();
    await stack.stop();
  }, 90_000);

  it('its process killed', async () => {
    const id = await begun(system, 'killed');
    const release = await holdLedger(system);
    const run = await triggered(system, id);
    await untilCopied(system, 1);
    process.kill(processWith(`PREFECT__FLOW_RUN_ID=${run.flow_run_id}`, 'flow-runner')!, 'SIGKILL');
    expect(await bothEnd(system, 'runner killed', run)).toMatchObject({ status: 'crashed', type: 'CRASHED' });
    await release();
    await nextRunLoads(system, id, 'killed');
  }, 180_000);

  it('its process and its worker killed, also when it was to be cancelled', async () => {
    const [id, other] = [await begun(system, 'lost'), await begun(system, 'lost_and_cancelled')];
    const release = await holdLedger(system);
    const [run, cancelled] = [await triggered(system, id), await triggered(system, other)];
    await untilCopied(system, 2);
    system.killWorker('with its runs');
    expect((await system.api('POST', `/runs/${cancelled.run_id}/cancel`)).status).toBe(202);
    const [end, cancellation] = await Promise.all([
      bothEnd(system, 'runner and worker killed', run),
      bothEnd(system, 'runner and worker killed, cancelled then', cancelled),
    ]);
    expect(end).toMatchObject({ status: 'crashed', type: 'CRASHED' });
    expect(cancellation).toMatchObject({ status: 'cancelled', type: 'CANCELLED' });
    await release();
    await system.newWorker();
    await nextRunLoads(system, id, 'lost');
    await nextRunLoads(system, other, 'lost_and_cancelled');
  }, 240_000);

  it('its worker killed and then cancelled: its own process hears of it', async () => {
    const id = await begun(system, 'left_alone');
    const release = await holdLedger(system);
    const run = await triggered(system, id);
    await untilCopied(system, 1);
    system.killWorker('alone');
    const asked = Date.now();
    expect((await system.api('POST', `/runs/${run.run_id}/cancel`)).status).toBe(202);
    expect(await bothEnd(system, 'worker killed, cancelled then', run)).toMatchObject({
      status: 'cancelled',
      type: 'CANCELLED',
    });
    expect(Date.now() - asked).toBeLessThan(15_000);
    await release();
    await system.newWorker();
    await nextRunLoads(system, id, 'left_alone');
  }, 180_000);

  it('its process frozen: the next run loads, and the one that wakes up commits nothing', async () => {
    const id = await begun(system, 'frozen');
    const release = await holdLedger(system);
    const run = await triggered(system, id);
    await untilCopied(system, 1);
    const pid = processWith(`PREFECT__FLOW_RUN_ID=${run.flow_run_id}`, 'flow-runner')!;
    process.kill(pid, 'SIGSTOP');
    try {
      expect(await bothEnd(system, 'runner frozen', run)).toMatchObject({ status: 'crashed', type: 'CRASHED' });
      await release();
      await nextRunLoads(system, id, 'frozen');
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await until('the zombie has ended', () =>
      Promise.resolve(processWith(`PREFECT__FLOW_RUN_ID=${run.flow_run_id}`, 'flow-runner') === null),
    );
    await allAreIn(system, 'frozen');
    expect((await system.api<WireRun>('GET', `/runs/${run.run_id}`)).body.status).toBe('crashed');
    expect(await endInPrefect(system, run.flow_run_id)).toMatchObject({ type: 'CRASHED' });
  }, 240_000);

  it('taken by a worker that died at once: another flow run does what was promised', async () => {
    const id = await begun(system, 'claimed');
    system.killWorker('with its runs');
    const run = await triggered(system, id);
    const claim = { state: { type: 'PENDING' } };
    expect(
      (await system.prefect<{ status: string }>('POST', `/flow_runs/${run.flow_run_id}/set_state`, claim)).body.status,
    ).toBe('ACCEPT');
    const began = Date.now();
    await until(
      'the flow run has crashed',
      async () => (await stateOf(system, run.flow_run_id)) === 'CRASHED',
      PROMISED_MS,
    );
    process.stdout.write(
      `pending, worker killed: flow run CRASHED after ${((Date.now() - began) / 1000).toFixed(1)} s\n`,
    );
    await system.newWorker();
    expect(await endOf(system, run.run_id)).toMatchObject({ status: 'success', metrics: { rows_ingested: 1000 } });
    expect((await system.api<WireRun>('GET', `/runs/${run.run_id}`)).body.flow_run_id).not.toBe(run.flow_run_id);
    await allAreIn(system, 'claimed');
  }, 240_000);

  it('Prefect killed and started again while it loads', async () => {
    const id = await begun(system, 'without_prefect');
    const release = await holdLedger(system);
    const run = await triggered(system, id);
    await untilCopied(system, 1);
    await stack.kill('prefect');
    await release();
    await until('the run has ended without Prefect', async () => {
      const { status } = (await system.api<WireRun>('GET', `/runs/${run.run_id}`)).body;
      return status === 'success';
    });
    await stack.startAgain('prefect');
    expect(await bothEnd(system, 'Prefect killed and back', run)).toMatchObject({
      status: 'success',
      type: 'COMPLETED',
    });
    await allAreIn(system, 'without_prefect');
  }, 240_000);

  it('PostgreSQL killed and started again while it loads', async () => {
    const id = await begun(system, 'without_postgres');
    await holdLedger(system);
    const run = await triggered(system, id);
    await untilCopied(system, 1);
    await stack.kill('postgres');
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    await stack.startAgain('postgres');
    await system.reconnect();
    const { status, type } = await bothEnd(system, 'PostgreSQL killed and back', run);
    expect([status, type]).toEqual(['success', 'COMPLETED']);
    await untilPrefectIsBack(system);
    await nextRunLoads(system, id, 'without_postgres');
  }, 240_000);
});
