import { Clock } from '@sluice/kernel';
import { startFakePrefect, type FakePrefect } from '../../../../test/support/fake-prefect';
import { createClient } from '../create-gateway';
import type { PrefectClient } from '../prefect/client';
import { Canary } from './canary';
import { SchedulerCheck, type SchedulerState } from './scheduler-check';

/** A look each 5 s, as the probe does it. */
const EVERY_MS = 5_000;
const DAY_MS = 86_400_000;

class HandClock extends Clock {
  ms = Date.now();
  /** What somebody set the time of day by. */
  set = 0;
  override now = () => new Date(this.ms + this.set);
  override elapsed = () => this.ms;
  override sleep = () => Promise.resolve();
}

describe('watching the scheduler', () => {
  let fake: FakePrefect;
  let clock: HandClock;
  let client: PrefectClient;
  let check: SchedulerCheck;

  beforeEach(async () => {
    fake = await startFakePrefect();
    clock = new HandClock();
    client = createClient({ PREFECT_API_URL: fake.apiUrl, PREFECT_API_AUTH_STRING: undefined }, clock);
    check = new SchedulerCheck(client, new Canary(client), clock);
  });
  afterEach(async () => {
    client.close();
    await fake.stop();
  });

  /** What was found at the end of so many seconds of looking. */
  const lookFor = async (seconds: number, by = check): Promise<SchedulerState> => {
    let found: SchedulerState = 'unknown';
    for (let passed = 0; passed <= seconds * 1000; passed += EVERY_MS, clock.ms += EVERY_MS) found = await by.look();
    return found;
  };
  /** What is planned once the scheduler has answered the last change. */
  const planned = async () => {
    if (fake.canaryRuns.length === 0) await check.look();
    return fake.canaryRuns;
  };
  const writes = () => fake.requests.filter(({ method }) => method === 'PATCH').length;

  it('knows that it lives from the first plan on, though no ingestion has a schedule', async () => {
    await expect(check.look()).resolves.toBe('alive');
    expect(fake.deployments).toEqual([]);
  });

  it('knows nothing at first while nothing is planned, and then that it is dead', async () => {
    fake.schedulerAlive = false;
    await expect(lookFor(20)).resolves.toBe('unknown');
    await expect(lookFor(10)).resolves.toBe('dead');
  });

  it('finds within 45 s that it died, whatever is planned ahead', async () => {
    await lookFor(60);
    fake.schedulerAlive = false;
    await expect(lookFor(45)).resolves.toBe('dead');
    fake.schedulerAlive = true;
    await expect(check.look()).resolves.toBe('alive');
  });

  it('finds it also when the time of day is set back by an hour', async () => {
    await lookFor(60);
    clock.set = -3_600_000;
    fake.schedulerAlive = false;
    await expect(lookFor(45)).resolves.toBe('dead');
  });

  it('does not call one dead that is up to 20 s late', async () => {
    await lookFor(60);
    for (let turn = 0; turn < 5; turn++) {
      fake.schedulerAlive = false;
      await expect(lookFor(20)).resolves.toBe('alive');
      fake.schedulerAlive = true;
      await expect(check.look()).resolves.toBe('alive');
    }
  });

  it('has one deployment with one planned run, which no worker can take and no time brings, however long it goes on', async () => {
    await lookFor(600);
    expect(fake.canaries).toHaveLength(1);
    expect(fake.canaries[0]).toMatchObject({ name: 'sluice-canary', tags: [], work_pool_name: null });
    expect(await planned()).toHaveLength(1);
    expect(Date.parse(fake.canaryRuns[0]?.expected_start_time ?? '')).toBeGreaterThan(clock.ms + 59 * DAY_MS);
    expect(writes()).toBeGreaterThan(30);
    expect(writes()).toBeLessThanOrEqual(61);
  });

  it.each<[string, () => void]>([
    ['deleted', () => fake.canaries.splice(0)],
    ['paused', () => fake.canaries.forEach((it) => (it.paused = true))],
    ['robbed of its schedule', () => fake.canaries.forEach((it) => it.schedules.splice(0))],
  ])('puts right a canary that was %s, without a false alarm', async (_, damage) => {
    await lookFor(10);
    damage();
    fake.canaryRuns.splice(0);
    await expect(lookFor(20)).resolves.toBe('alive');
    expect(fake.canaries).toHaveLength(1);
    expect(await planned()).toHaveLength(1);
  });

  it('shares the canary with other replicas, and all find the same', async () => {
    const other = new SchedulerCheck(client, new Canary(client), clock);
    const both = async (seconds: number) => {
      const found: SchedulerState[] = [];
      for (let passed = 0; passed <= seconds * 1000; passed += EVERY_MS, clock.ms += EVERY_MS)
        found.splice(0, 2, await check.look(), await other.look());
      return found;
    };
    await expect(both(120)).resolves.toEqual(['alive', 'alive']);
    expect(writes()).toBeLessThanOrEqual(13);
    fake.schedulerAlive = false;
    await expect(both(45)).resolves.toEqual(['dead', 'dead']);
  });

  it('does not count the time in which Prefect could not be asked, and forgets what it found after 15 s of it', async () => {
    await lookFor(10);
    fake.schedulerAlive = false;
    await fake.misbehave('http_500');
    await expect(lookFor(10)).resolves.toBe('alive');
    await expect(lookFor(60)).resolves.toBe('unknown');
    await fake.behave();
    await expect(lookFor(15)).resolves.toBe('unknown');
    fake.schedulerAlive = true;
    await expect(lookFor(5)).resolves.toBe('alive');
  });
});
