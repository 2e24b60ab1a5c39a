import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The embedded Prefect runs with PYTHONTZPATH empty: without this package it would know no time zone, not even UTC. */
describe.each(['requirements.lock', 'requirements-ha.lock'])('docker/prefect/%s', (lock) => {
  it('has the time zones for every Python and platform', () => {
    const text = readFileSync(join(__dirname, '../../docker/prefect', lock), 'utf8');
    expect(text.match(/^tzdata==.*$/gm)).toEqual([expect.stringMatching(/^tzdata==[\d.]+ \\$/)]);
  });
});
