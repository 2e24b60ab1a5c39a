import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { behindProxy } from '../ha/sluice.mjs';
import { tailOf } from '../../tools/stack/errors.mjs';
import { ROOT } from '../../tools/stack/folders.mjs';
import { startApiPart, startPostgresPart } from '../../tools/stack/parts.mjs';
import { killAllServices, startService } from '../../tools/stack/processes.mjs';
import { sluiceEnvironment } from '../../tools/stack/settings.mjs';
import { requireTypeScript } from '../../tools/typescript.mjs';

/**
 * What the load step needs and no more: PostgreSQL, the API that is asked for a run, and the flow-runner as it was built, a process for each run. No
 * Prefect: its few answers come from the tests' stand-in, within this process.
 * @param {string} data where the files lie
 * @returns {Promise<import('./sluice.mjs').Stack>}
 */
export async function loadStepStack(data) {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-step-'));
  await chmod(folder, 0o755);
  const prefect = await requireTypeScript('test/support/fake-prefect.ts').startFakePrefect();
  const { settings, urls } = await behindProxy(folder, { PREFECT_API_URL: prefect.apiUrl, SLUICE_FILE_ROOTS: data });
  process.once('exit', killAllServices);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(130));
  /** @type {import('../../tools/stack/processes.mjs').Service[]} */
  const services = [];
  const stop = async () => {
    for (const service of services.reverse()) await service.stop();
    await prefect.stop();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    services.push(await startPostgresPart(settings, () => {}));
    services.push(await startApiPart(settings));
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    apiUrl: `${urls.api}/api/v1`,
    destinationUrl: urls.destination,
    data,
    parentPid: process.pid,
    execute: () => flowRun(settings, urls, prefect.flowRuns.at(-1).id),
    stop,
  };
}

/**
 * What Prefect's worker would do with a flow run. Gives the seconds from the start of the process to its end.
 * @param {import('../../tools/stack/settings.mjs').Settings} settings @param {Parameters<typeof sluiceEnvironment>[1]} urls @param {string} id
 */
async function flowRun(settings, urls, id) {
  const begun = performance.now();
  const runner = await startService({
    name: 'The flow-runner',
    command: process.execPath,
    args: [join('dist', 'apps', 'flow-runner', 'main.js')],
    env: {
      ...sluiceEnvironment(settings, urls),
      SLUICE_TEMP_DIR: join(settings.home, 'tmp'),
      PREFECT__FLOW_RUN_ID: id,
    },
    cwd: ROOT,
    logFile: join(settings.logs, 'flow-runner.log'),
  });
  const how = await runner.ended;
  if (how !== 'exit code 0') throw new Error(`The flow-runner ended with ${how}:\n${await tailOf(runner.logFile)}`);
  return (performance.now() - begun) / 1000;
}
