import { Logger } from '@nestjs/common';
import { type Clock, type Config, OrchestrationUnavailable } from '@sluice/kernel';
import type { OrchestrationGateway } from '@sluice/orchestration-gateway';
import type { WholeComparison } from './comparison';
import type { DriftRecord } from './drift-record';
import { FullComparison } from './full-comparison';
import { Reconciler } from './reconciler';

const logged: [level: string, said: string][] = [];
const prefect = { initialized: true };
beforeEach(() => {
  logged.length = 0;
  prefect.initialized = true;
  for (const level of ['log', 'warn'] as const)
    jest
      .spyOn(Logger.prototype, level)
      .mockImplementation((...said: unknown[]) => void logged.push([level, String(said[0])]));
});
afterEach(() => jest.restoreAllMocks());

const gateway = prefect as OrchestrationGateway;
const late = new OrchestrationUnavailable('timeout', 'Prefect did not answer in time.');

describe('a step that fails', () => {
  /** A pass for each: it fails with this error, works, is not due, or Prefect is away. */
  async function passes(...outcomes: (Error | 'works' | 'waits' | 'away')[]): Promise<void> {
    let now: Error | string = 'works';
    const run = () => {
      if (now instanceof Error) return Promise.reject(now);
      return now === 'away' ? Promise.reject(late) : Promise.resolve([]);
    };
    const step = { name: 'mirrors', run, isDue: true };
    const reconciler = new Reconciler([step], gateway);
    for (now of outcomes) {
      step.isDue = now !== 'waits';
      prefect.initialized = now !== 'away';
      await reconciler.runOnce();
    }
  }
  const FAILS = ['warn', expect.stringContaining('mirrors: no table')];
  const WORKS = ['log', expect.stringContaining('mirrors: it works again')];
  const broken = new Error('no table');

  it('is told once, and once when it works again', async () => {
    await passes(broken, broken, 'waits', broken, 'works', 'works', broken);
    expect(logged).toEqual([FAILS, WORKS, FAILS]);
  });

  it('is told when it gets no answer for long from a Prefect that is usable', async () => {
    await passes(late, late);
    expect(logged).toEqual([]);
    await passes(late, 'waits', late, late, late);
    expect(logged).toEqual([['warn', expect.stringContaining(late.message)]]);
  });

  it('is not told while Prefect is away, which proves nothing either way', async () => {
    await passes('away', 'away', 'away', 'away', broken, 'away', broken, 'works');
    expect(logged).toEqual([FAILS, WORKS]);
  });
});

describe('a comparison that failed', () => {
  it('is tried again after 10 s, then after twice as long each time, its interval at most', async () => {
    const clock = { at: 0, elapsed: () => clock.at };
    const tries: number[] = [];
    let fails = true;
    const run = () => {
      tries.push(clock.at / 1_000);
      return fails ? Promise.reject(late) : Promise.resolve({});
    };
    const record = { forced: () => Promise.resolve(new Set()), keep: () => Promise.resolve([]) };
    const step = new FullComparison(
      { SLUICE_RECONCILE_SECONDS: 60 } as Config,
      clock as unknown as Clock,
      gateway,
      { run } as unknown as WholeComparison,
      record as unknown as DriftRecord,
    );
    const pass = () => step.run().catch(() => []);
    for (; clock.at <= 200_000; clock.at += 5_000) await pass();
    expect(tries).toEqual([0, 10, 30, 70, 130, 190]);
    fails = false;
    for (; clock.at <= 320_000; clock.at += 5_000) await pass();
    expect(tries.slice(6)).toEqual([250, 310]);
  });
});
