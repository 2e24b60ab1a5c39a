import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const DIST = join(__dirname, '..', '..', 'dist', 'apps');
const WITHOUT_CONFIGURATION = 2;

/** The built flow-runner, in a copy beside it whose compiled code can be damaged. */
describe('the start of the flow-runner', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(DIST, 'flow-runner-'));
    cpSync(join(DIST, 'flow-runner'), folder, { recursive: true });
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  const compiled = () => readdirSync(folder).filter((name) => name.endsWith('.bin'));
  const start = () => {
    const { status, stderr } = spawnSync(process.execPath, [join(folder, 'main.js')], { env: {}, encoding: 'utf8' });
    return { status, stderr };
  };
  const COMPLAINS = { status: WITHOUT_CONFIGURATION, stderr: expect.stringContaining('DATABASE_URL: is not set') };

  it('uses code that was compiled when it was built', () => {
    expect(compiled()).toHaveLength(1);
    expect(start()).toEqual(COMPLAINS);
  });

  it('does without it, and with what is no compiled code', () => {
    const [name = ''] = compiled();
    writeFileSync(join(folder, name), 'nonsense');
    expect(start()).toEqual(COMPLAINS);
    rmSync(join(folder, name));
    expect(start()).toEqual(COMPLAINS);
    expect(compiled()).toEqual([]);
  });

  it('connects through the bundled driver', () => {
    const env = {
      DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/none',
      DESTINATION_URL: 'postgresql://nobody@127.0.0.1:1/none',
      PREFECT_API_URL: 'http://127.0.0.1:1/api',
      PREFECT__FLOW_RUN_ID: '6f1d8dd1-6b6b-4b67-8d0b-0d3f1a5c2a11',
    };
    const options = { env, encoding: 'utf8', timeout: 6_000 } as const;
    const { stdout, stderr } = spawnSync(process.execPath, [join(folder, 'main.js')], options);
    expect(stdout + stderr).toContain('ECONNREFUSED');
  }, 40_000);
});
