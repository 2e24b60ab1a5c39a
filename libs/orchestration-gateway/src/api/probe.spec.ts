import { Logger } from '@nestjs/common';
import { RefusedByPrefect, unavailable } from '../prefect/failures';
import { Server } from '../prefect/servers';
import { isSupported, type ProbeResult, ServerProbe } from './probe';

describe('the version of Prefect', () => {
  it.each(['3.8.0', '3.8.8', '3.10.2', '3.99', '3.8.0rc1'])('%s is supported', (version) => {
    expect(isSupported(version)).toBe(true);
  });

  it.each(['3.7.9', '2.20.0', '4.0.0', '38.8.0', '', 'latest'])('"%s" is not', (version) => {
    expect(isSupported(version)).toBe(false);
  });
});

describe('why a server cannot be used', () => {
  const logged: [level: string, said: string][] = [];
  beforeEach(() => {
    logged.length = 0;
    for (const level of ['warn', 'error'] as const)
      jest
        .spyOn(Logger.prototype, level)
        .mockImplementation((...said: unknown[]) => void logged.push([level, String(said[0])]));
  });
  afterEach(() => jest.restoreAllMocks());

  const WELL: ProbeResult = { prefectVersion: '3.8.8', workersOnline: 1 };

  /** One probe for each: it fails with this error, or is well. */
  async function probes(...outcomes: (Error | 'well')[]): Promise<void> {
    const server = new Server('prefect:4200', {
      send: () => Promise.reject(new Error('unused')),
      close: () => undefined,
    });
    const left = [...outcomes];
    const probe = new ServerProbe(server, () => {
      const next = left.shift();
      return next instanceof Error ? Promise.reject(next) : Promise.resolve(WELL);
    });
    for (const outcome of outcomes) {
      const run = probe.run();
      if (outcome === 'well') await run;
      else await expect(run).rejects.toBe(outcome);
    }
  }

  const strange = unavailable('protocol', new Error('version: expected\n  string'));
  const STRANGE = [
    'warn',
    expect.stringMatching(/^Prefect at prefect:4200 .*\(protocol\): .* <- version: expected string$/),
  ];

  it('is told with its cause, once', async () => {
    await probes(strange, strange, strange);
    expect(logged).toEqual([STRANGE]);
  });

  it.each([new TypeError('x is undefined'), new RefusedByPrefect(422, 'no such field')])(
    'is an error when it is our mistake: %s',
    async (mistake) => {
      await probes(mistake, mistake, mistake);
      expect(logged).toEqual([['error', expect.stringContaining(`${mistake.name}: ${mistake.message}`)]]);
    },
  );

  it('is told anew when it changes, and after the server was well', async () => {
    const refused = unavailable('refused');
    await probes(strange, strange, refused, strange, 'well', strange, strange);
    expect(logged).toEqual([STRANGE, ['warn', 'Prefect at prefect:4200 is down: refused.'], STRANGE]);
  });

  it('is not told of one probe that missed', async () => {
    await probes(strange, 'well', new TypeError('x'), 'well');
    expect(logged).toEqual([]);
  });
});
