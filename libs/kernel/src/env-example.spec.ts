import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CONFIG_NAMES, readConfig, type Config } from './config';

const REQUIRED = {
  DATABASE_URL: 'postgresql://u@localhost/control',
  DESTINATION_URL: 'postgresql://u@localhost/warehouse',
  PREFECT_API_URL: 'http://localhost:4200/api',
};
const lines = readFileSync(join(__dirname, '../../../.env.example'), 'utf8').split('\n');
const assignments = lines.filter((line) => /^[A-Z]/.test(line)).map((line) => line.split(/=(.*)/s) as [string, string]);

describe('.env.example', () => {
  it('lists the variables of the configuration: all of them, once, and no others', () => {
    expect(assignments.map(([name]) => name).sort()).toEqual([...CONFIG_NAMES].sort());
  });

  it('explains each variable in the line above it', () => {
    const bare = assignments.filter(
      ([name]) => !/^# \S/.test(lines[lines.findIndex((l) => l.startsWith(`${name}=`)) - 1] ?? ''),
    );
    expect(bare).toEqual([]);
  });

  it('gives the defaults the program has', () => {
    const shown = Object.fromEntries(assignments.filter(([, value]) => value !== ''));
    const read = (env: Record<string, string>): Config => readConfig({ ...env, ...REQUIRED });
    expect(read(shown)).toEqual(read({}));
  });
});
