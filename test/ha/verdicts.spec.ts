import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

/** Modules of the programs beside the tests run as they are, in a process of their own. */
function run(script: string, env: Record<string, string> = {}): { code: number | null; lines: string[] } {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
    cwd: join(__dirname, '../..'),
    env: { ...process.env, ...env },
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  return { code: status, lines: stdout.trimEnd().split('\n') };
}

const judge = (calls: string) =>
  run(`import { Verdicts } from './test/ha/verdicts.mjs';
    const verdicts = new Verdicts(['one', 'two']);
    ${calls}
    process.exitCode = verdicts.report();`);

describe('the verdicts of a program beside the tests', () => {
  it('all held: 0', () => {
    const { code, lines } = judge(`verdicts.say('one', true, '1'); verdicts.say('two', true, '2');`);
    expect([code, lines]).toEqual([0, ['held    one: 1', 'held    two: 2', '2 passed, 0 failed, 0 skipped']]);
  });

  it('one missed: 1', () => {
    const { code, lines } = judge(`verdicts.say('one', false, '1'); verdicts.say('two', true, '2');`);
    expect([code, lines.at(-1)]).toEqual([1, '1 passed, 1 failed, 0 skipped']);
  });

  it('one that nobody came to judge is missed', () => {
    const { code, lines } = judge(`verdicts.say('one', true, '1');`);
    expect([code, lines.slice(1)]).toEqual([
      1,
      ['MISSED  two: not judged, for it ended before', '1 passed, 1 failed, 0 skipped'],
    ]);
  });

  it('one left out is named and counted as skipped', () => {
    const { code, lines } = judge(`verdicts.say('one', true, '1'); verdicts.leave('two', 'too short');`);
    expect([code, lines.slice(1)]).toEqual([0, ['skipped: two (too short)', '1 passed, 0 failed, 1 skipped']]);
  });

  it('without a redis-server all demands of npm run test:ha are named and counted as skipped', () => {
    const { code, lines } = run(
      `import { run } from './test/ha/scenario.mjs'; process.exitCode = await run(['--only=services']);`,
      { PATH: '' },
    );
    const skipped = lines.filter((line) => /^skipped: .+ \(no redis-server on the PATH\)$/.test(line));
    expect(skipped).toHaveLength(8);
    expect([code, lines[0], lines.at(-1)]).toEqual([
      0,
      'There is no redis-server on the PATH, and two Prefect servers need one: install Redis (or Valkey).',
      '0 passed, 0 failed, 8 skipped',
    ]);
  });
});
