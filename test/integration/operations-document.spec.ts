import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ORCHESTRATION_REASONS } from '@sluice/kernel';

const ROOT = join(__dirname, '..', '..');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

describe('docs/operations.md', () => {
  it('says what to do on every reason that the API gives', () => {
    const text = read('docs/operations.md');
    expect(ORCHESTRATION_REASONS.filter((reason) => !text.includes(`| \`${reason}\``))).toEqual([]);
  });
});

describe('docs/prefect-traps.md', () => {
  const text = read('docs/prefect-traps.md');

  it('names only tests that exist, each by a title that stands in its file', () => {
    const named = [...text.matchAll(/`((?:apps|libs|test)\/\S+\.spec\.ts)` "([^"|]+)"/g)];
    expect(named.length).toBeGreaterThan(40);
    const missing = named.filter(
      ([, path = '', title = '']) => !existsSync(join(ROOT, path)) || !read(path).includes(title),
    );
    expect(missing.map(([all]) => all)).toEqual([]);
  });

  it('has a test for each trap, or says why there is none', () => {
    const rows = text.split('\n').filter((line) => /^\| (?!-|Prefect )/.test(line));
    expect(rows.length).toBeGreaterThan(35);
    expect(rows.filter((row) => !/\.spec\.ts` "|no test/.test(row))).toEqual([]);
  });
});
