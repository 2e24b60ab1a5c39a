import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { addresses } from '../../tools/stack/parts.mjs';
import { freePort } from '../../tools/stack/ports.mjs';
import { readSettings } from '../../tools/stack/settings.mjs';

/**
 * Settings of a stack whose Prefect is reached at an address of ours (a proxy), all else embedded. Files to load belong into `data`.
 * @param {string} folder @param {NodeJS.ProcessEnv} [env] for all of Sluice's processes
 */
export async function behindProxy(folder, env = {}) {
  const [data, proxyPort] = [join(folder, 'data'), await freePort()];
  await mkdir(data, { recursive: true });
  const settings = await readSettings({
    ...process.env,
    ...{ DATABASE_URL: undefined, DESTINATION_URL: undefined, PORT: undefined, PREFECT_API_AUTH_STRING: undefined },
    SLUICE_HOME: join(folder, 'home'),
    SLUICE_FILE_ROOTS: data,
    PREFECT_API_URL: `http://127.0.0.1:${proxyPort}/api`,
    LOG_LEVEL: 'warn',
    ...env,
  });
  return { settings, urls: addresses(settings), data, proxyPort };
}
