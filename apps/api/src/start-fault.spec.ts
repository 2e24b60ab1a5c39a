import { readConfig } from '@sluice/kernel';
import { explain, whatFailed } from './start-fault';

const failing = (error: Error) => whatFailed('The database cannot be used', () => Promise.reject(error));
const told = (attempt: Promise<unknown>) => attempt.then(() => 'it started', explain);

describe('a start that failed', () => {
  it('for a reason of the system is told in a sentence', async () => {
    const error = Object.assign(new Error('connect ECONNREFUSED 127.0.0.1:5432'), { code: 'ECONNREFUSED' });
    expect(await told(failing(error))).toBe('The database cannot be used: connect ECONNREFUSED 127.0.0.1:5432.');
  });

  it('at all addresses of a host is told by its code', async () => {
    const error = Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' });
    expect(await told(failing(error))).toBe('The database cannot be used: ECONNREFUSED.');
  });

  it('for a configuration lists its problems and shows no value', () => {
    let text = '';
    try {
      readConfig({ DATABASE_URL: 'mysql://u:hunter2@db/control', PREFECT_API_URL: 'http://prefect/api' });
    } catch (error) {
      text = explain(error);
    }
    expect(text).toContain('DATABASE_URL');
    expect(text).toContain('DESTINATION_URL: is not set');
    expect(text).not.toContain('hunter2');
  });

  it('for a fault of ours is told with its stack', async () => {
    expect(await told(failing(new TypeError('no such provider')))).toMatch(
      /^The API did not start\. TypeError: no such provider\n +at /,
    );
  });
});
