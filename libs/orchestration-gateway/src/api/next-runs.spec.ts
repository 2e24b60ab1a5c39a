import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import { SystemClock } from '@sluice/kernel';
import { startFakePrefect, type FakePrefect } from '../../../../test/support/fake-prefect';
import { until } from '../../../../test/support/until';
import { createGateway } from '../create-gateway';
import type { OrchestrationGateway } from '../orchestration-gateway';

const CONFIG = { PREFECT_WORK_POOL: 'sluice', SLUICE_RUNNER_COMMAND: 'node x', SLUICE_RUNNER_WORKING_DIR: '/' };
const HOURLY = { cron: '0 * * * *', timezone: 'UTC' };
/** Longer than an answer is fresh. */
const LATER_MS = 1_600;
/** Less than the 300 ms that a reader waits for an answer, and enough for a busy machine. */
const AT_ONCE_MS = 200;

describe('the next runs, for readers', () => {
  let fake: FakePrefect;
  let gateway: OrchestrationGateway;

  beforeAll(() => Logger.overrideLogger(false));
  beforeEach(async () => {
    fake = await startFakePrefect();
    const config = { ...CONFIG, PREFECT_API_URL: fake.apiUrl, PREFECT_API_AUTH_STRING: undefined };
    gateway = createGateway(config, new SystemClock(), { probeEveryMs: 30 });
  });
  afterEach(async () => {
    gateway.onModuleDestroy();
    gateway.onApplicationShutdown();
    await fake.stop();
  });

  const made = async () =>
    (await gateway.upsertDeployment({ ingestionId: randomUUID(), title: 't', timetable: HOURLY, paused: false })).id;
  const questions = () => fake.requests.filter(({ path }) => path === '/flow_runs/filter').length;
  const timed = async (ids: string[]) => {
    const started = performance.now();
    const times = await gateway.nextRunTimes(ids);
    return { times, ms: performance.now() - started };
  };

  it('are asked for once by all who read at the same time, and not again for a second', async () => {
    const ids = [await made(), await made()];
    const asked = questions();
    const answers = await Promise.all(Array.from({ length: 50 }, () => gateway.nextRunTimes(ids)));
    expect(answers.every((times) => times.size === 2)).toBe(true);
    await gateway.nextRunTimes(ids.slice(1));
    expect(questions()).toBe(asked + 1);
    await sleep(LATER_MS);
    await gateway.nextRunTimes(ids);
    await until(() => questions() === asked + 2);
  });

  it('are asked for anew once we changed the deployment, also when the answer was under way', async () => {
    const id = await made();
    await gateway.nextRunTimes([id]);
    await gateway.setPaused(id, true);
    await expect(gateway.nextRunTimes([id])).resolves.toEqual(new Map());
    await fake.misbehave('slow', { ms: 60, times: 1, route: /flow_runs.filter/ });
    await gateway.setPaused(id, false);
    const early = gateway.nextRunTimes([id]);
    await gateway.setPaused(id, true);
    await early;
    await expect(gateway.nextRunTimes([id])).resolves.toEqual(new Map());
  });

  it('are given at once from memory while they are asked for again, but not when they are old', async () => {
    const id = await made();
    const { times } = await timed([id]);
    await sleep(LATER_MS);
    await fake.misbehave('slow', { ms: 1_000, route: /flow_runs.filter/ });
    const again = await timed([id]);
    expect(again.times).toEqual(times);
    expect(again.ms).toBeLessThan(AT_ONCE_MS);
  });

  it('cost one wait of 300 ms when Prefect hangs, and then none: what is known is told as long as it lies ahead', async () => {
    const [id, unknown] = [await made(), await made()];
    const { times } = await timed([id]);
    await sleep(LATER_MS);
    await fake.misbehave('hang');
    const first = await Promise.all(Array.from({ length: 20 }, () => timed([id, unknown])));
    // One wait after the other would be 6 s.
    expect(Math.max(...first.map(({ ms }) => ms))).toBeLessThan(2_000);
    const asked = questions();
    const reads = [];
    for (let read = 0; read < 60; read++) {
      reads.push(await timed([id, unknown, randomUUID()]));
      await sleep(20);
    }
    for (const read of reads) expect(read.times).toEqual(times);
    expect(reads.map(({ ms }) => ms).sort((a, b) => a - b)[30]).toBeLessThan(AT_ONCE_MS);
    expect(questions() - asked).toBeLessThanOrEqual(5);
    await fake.behave();
    await until(async () => (await gateway.nextRunTimes([unknown])).size === 1);
  });

  it('are told at once, and without a question, while the probe knows that Prefect is down', async () => {
    const id = await made();
    gateway.onApplicationBootstrap();
    await until(() => gateway.initialized);
    const { times } = await timed([id]);
    await fake.misbehave('http_500');
    await until(() => !gateway.initialized);
    await sleep(LATER_MS);
    const asked = questions();
    const down = await timed([id, randomUUID()]);
    expect(down.times).toEqual(times);
    expect(down.ms).toBeLessThan(AT_ONCE_MS);
    expect(questions()).toBe(asked);
  });

  it('are not told when they have passed', async () => {
    const id = await made();
    await gateway.nextRunTimes([id]);
    const soon = new Date(Date.now() + 8_000);
    for (const run of fake.flowRuns) run.expected_start_time = soon.toISOString();
    await until(async () => (await gateway.nextRunTimes([id])).get(id)?.getTime() === soon.getTime());
    await fake.misbehave('down');
    await expect(gateway.nextRunTimes([id])).resolves.toEqual(new Map([[id, soon]]));
    await until(async () => (await gateway.nextRunTimes([id])).size === 0);
    expect(Date.now()).toBeGreaterThan(soon.getTime() - 1_000);
  });
});
