import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ORCHESTRATION_REASONS } from '@sluice/kernel';

const ROOT = join(__dirname, '..', '..');
const text = readFileSync(join(ROOT, 'docs', 'operations.md'), 'utf8');

describe('docs/operations.md', () => {
  it('names only tests that exist', () => {
    const named = [...text.matchAll(/`((?:apps|libs|test)\/\S+\.spec\.ts)`/g)].map(([, path = '']) => path);
    expect(named.length).toBeGreaterThan(20);
    expect(named.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });

  it('says what to do on every reason that the API gives', () => {
    expect(ORCHESTRATION_REASONS.filter((reason) => !text.includes(`| \`${reason}\``))).toEqual([]);
  });
});
