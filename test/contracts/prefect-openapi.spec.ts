import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describeWithPrefect, realPrefect } from '../support/prefect';

const run = promisify(execFile);

describe("the wire types of Prefect's API", () => {
  it('are what the pinned OpenAPI document gives', async () => {
    await expect(run('node', ['tools/generate-prefect-types.mjs', '--check'])).resolves.toMatchObject({ stderr: '' });
  }, 60_000);
});

describeWithPrefect("the pinned copy of Prefect's OpenAPI document", () => {
  it('fits the running server', async () => {
    const { apiUrl } = await realPrefect();
    const { stdout } = await run('node', ['tools/generate-prefect-types.mjs', '--compare', apiUrl]);
    expect(stdout).toBe('The pinned copy fits the running server.\n');
  }, 180_000);
});
