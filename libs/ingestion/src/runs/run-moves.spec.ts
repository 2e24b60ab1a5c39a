import { mayFollow, moveRun } from './run-moves';
import { RUN_STATUSES, type RunStatus } from '../types';

const ALLOWED: readonly string[] = [
  'queued > running',
  'queued > failed',
  'queued > cancelled',
  'queued > crashed',
  'queued > skipped',
  'running > success',
  'running > partial',
  'running > failed',
  'running > cancelled',
  'running > crashed',
];
const PAIRS = RUN_STATUSES.flatMap((from) => RUN_STATUSES.map((to): [RunStatus, RunStatus] => [from, to]));

describe('the life of a run', () => {
  it.each(PAIRS)('%s -> %s', async (from, to) => {
    const asked: unknown[][] = [];
    const sql = { query: (_: string, parameters: unknown[] = []) => Promise.resolve([asked.push(parameters)]) };
    const move = moveRun(sql, 'id', { from, to });
    if (ALLOWED.includes(`${from} > ${to}`)) {
      expect(mayFollow(from, to)).toBe(true);
      expect(await move).toBe(true);
      expect(asked.map((parameters) => parameters.slice(0, 4))).toEqual([['id', from, to, null]]);
    } else {
      await expect(move).rejects.toThrow(`A run cannot go from ${from} to ${to}.`);
      expect(asked).toEqual([]);
    }
  });
});
