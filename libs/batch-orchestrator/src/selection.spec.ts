import type { SourceEntry } from '@sluice/connectors';
import type { RunParameters } from '@sluice/ingestion';
import { selected } from './selection';

const entries: SourceEntry[] = [
  { path: '2023/a', bytes: 1, fingerprint: '', modifiedAt: Date.parse('2023-05-01T00:00:00Z') },
  { path: '2024/b', bytes: 1, fingerprint: '', modifiedAt: Date.parse('2024-01-01T00:00:00Z') },
  { path: '2024/c', bytes: 1, fingerprint: '', modifiedAt: null },
];

async function* listing(): AsyncGenerator<SourceEntry> {
  yield* entries;
  await Promise.resolve();
}

async function paths(parameters: Partial<Extract<RunParameters, { kind: 'load' }>>): Promise<string[]> {
  const found: string[] = [];
  const whole: RunParameters = { kind: 'load', from: null, until: null, path_prefix: null, ...parameters };
  for await (const { path } of selected(listing(), whole)) found.push(path);
  return found;
}

describe('what a run looks at', () => {
  it('is everything unless it is told otherwise', async () => {
    expect(await paths({})).toEqual(['2023/a', '2024/b', '2024/c']);
  });

  it('is what was modified from the first moment on and before the last; what has no time is looked at', async () => {
    expect(await paths({ from: '2024-01-01T00:00:00Z' })).toEqual(['2024/b', '2024/c']);
    expect(await paths({ until: '2024-01-01T00:00:00Z' })).toEqual(['2023/a', '2024/c']);
  });

  it('is what lies below the prefix', async () => {
    expect(await paths({ path_prefix: '2024/' })).toEqual(['2024/b', '2024/c']);
  });
});
